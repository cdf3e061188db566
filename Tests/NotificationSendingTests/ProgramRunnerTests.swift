import Foundation
import NotificationSending
import ProviderCatalog
import TaskModel
import TaskStore
import TaskTesting
import Testing
import VerbatimJSON

@testable import TaskEngine

@Suite struct ProgramRunnerTests {
    private let notification = TaskNotification(
        id: "e-1", type: "pollux.ping", at: ManualTimeSource.start, task: nil)

    private func runner(
        environment: [String: String] = ["PATH": "/usr/bin:/bin"], run: Duration = .seconds(60),
        end: Duration = .seconds(10)
    ) -> ProgramRunner {
        var limits = ProgramRun.Limits()
        limits.run = run
        limits.end = end
        let start = ContinuousClock.now
        return ProgramRunner(
            environment: Current(always: environment), limits: limits, elapsed: { ContinuousClock.now - start })
    }

    private func outcome(
        _ script: String, input: [UInt8] = [], environment: [String: String] = ["PATH": "/usr/bin:/bin"],
        run: Duration = .seconds(60), end: Duration = .seconds(10)
    ) async throws -> DeliveryQueue.Outcome {
        let runner = runner(environment: environment, run: run, end: end)
        let outcome = await runner.run(["/bin/sh", "-c", script], with: input, about: notification)
        try await runner.shutdown()
        return outcome
    }

    private func failure(_ outcome: DeliveryQueue.Outcome) throws -> DeliveryFailure {
        guard case .failed(let failure) = outcome else {
            Issue.record("\(outcome)")
            return DeliveryFailure(reason: "")
        }
        return failure
    }

    @Test func `exit 0 is delivered, 65 is never sent again, all else is tried again`() async throws {
        #expect(try await outcome("exit 0") == .delivered)
        #expect(
            try await outcome("echo bad >&2; exit 65")
                == .rejected(DeliveryFailure(status: 65, reason: "it exited with 65", answer: "bad\n")))
        #expect(
            try await outcome("exit 3") == .failed(DeliveryFailure(status: 3, reason: "it exited with 3")))
        #expect(try failure(try await outcome("kill -9 $$")).reason == "signal 9 ended it")
    }

    @Test func `a program that does not exist is tried again`() async throws {
        let runner = runner()
        let outcome = await runner.run(["/no/such/program"], with: [], about: notification)
        try await runner.shutdown()
        #expect(try failure(outcome).reason == "the program cannot be started: No such file or directory")
    }

    @Test func `a long input is passed on, and one that nobody reads does no harm`() async throws {
        let input = [UInt8](repeating: 120, count: 3_000_000)
        #expect(try await outcome("test $(wc -c) -eq 3000000", input: input) == .delivered)
        #expect(try await outcome("exit 0", input: input) == .delivered)
    }

    @Test func `the last 4 KiB of the output are kept`() async throws {
        let answer = try failure(
            try await outcome("head -c 1000000 /dev/zero | tr '\\0' a; echo end; exit 1")
        ).answer
        #expect(answer?.utf8.count == 4_096)
        #expect(answer?.hasSuffix("aaaend\n") == true)
    }

    @Test func `a program that runs too long is ended with everything that it started`() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("pid")
        let ended = try await outcome("trap 'exit 0' TERM; sleep 60 & wait", run: .milliseconds(300))
        // It ended by itself on SIGTERM.
        #expect(ended == .delivered)
        let killed = try await outcome(
            "trap '' TERM; sleep 60 & echo $! > \(file); wait; sleep 60", run: .milliseconds(300),
            end: .milliseconds(300))
        #expect(try failure(killed).reason == "it ran longer than 0 s and was ended")
        let pid = try #require(Int(try String(contentsOfFile: file, encoding: .utf8).filter(\.isNumber)))
        try await until { Self.hasEnded(pid) }
    }

    @Test func `its environment is the given one, and signals are as usual`() async throws {
        #expect(
            try await outcome(
                "test \"$(env | grep -v -E '^(PWD|SHLVL|_|OLDPWD)=' | sort | tr '\\n' ' ')\" = "
                    + "'A=b PATH=/usr/bin:/bin POLLUX_EVENT=pollux.ping '",
                environment: ["A": "b", "PATH": "/usr/bin:/bin"])
                == .delivered)
        // A program that ignored SIGPIPE would fail in another way.
        #expect(try await outcome("kill -13 $$") == .failed(DeliveryFailure(reason: "signal 13 ended it")))
    }

    @Test func `no descriptor of the daemon is open in it`() async throws {
        let file = open("/dev/null", O_RDONLY)
        defer { close(file) }
        #expect(try await outcome("test ! -e /proc/self/fd/\(file)") == .delivered)
    }

    @Test func `a program is ended when the daemon stops, and that is no failure`() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("running")
        let runner = runner()
        let task = Task {
            await runner.run(["/bin/sh", "-c", "touch \(file); sleep 60"], with: [], about: notification)
        }
        try await until { FileManager.default.fileExists(atPath: file) }
        task.cancel()
        #expect(await task.value == .notSent)
        try await runner.shutdown()
    }

    /// Waits for a process to do something.
    private func until(_ condition: () -> Bool) async throws {
        for _ in 1...6_000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(condition())
    }

    /// Whether a process is gone, or a zombie that nobody waits for.
    private static func hasEnded(_ pid: Int) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return true }
        return text.contains(") Z ")
    }
}
