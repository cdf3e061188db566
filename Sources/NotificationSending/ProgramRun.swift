import Synchronization
import TaskEngine
import TaskModel
import TaskStore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// ProgramRun runs one program in a process group without a shell. It blocks its thread until the program has ended.
package final class ProgramRun: Sendable {
    package struct Limits: Sendable {
        /// How long a program may run until its group gets SIGTERM.
        package var run = Duration.seconds(60)
        /// How long after that until it gets SIGKILL.
        package var end = Duration.seconds(10)

        package init() {}
    }

    /// "The receiver wants this event never again": EX_DATAERR of sysexits.h.
    private static let refusal: Int32 = 65
    /// What is kept of the output, from its end.
    private static let outputSize = 4_096

    private let arguments: [String]
    private let environment: [String: String]
    private let input: [UInt8]
    private let limits: Limits
    private let elapsed: @Sendable () -> Duration
    private let isStopping = Mutex(false)

    init(
        arguments: [String], environment: [String: String], input: [UInt8], limits: Limits,
        elapsed: @escaping @Sendable () -> Duration
    ) {
        self.arguments = arguments
        self.environment = environment
        self.input = input
        self.limits = limits
        self.elapsed = elapsed
    }

    /// Has the program ended, since the daemon stops.
    func stop() { isStopping.withLock { $0 = true } }

    func run() -> DeliveryQueue.Outcome {
        guard !isStopping.withLock({ $0 }) else { return .notSent }
        let process: ChildProcess
        do throws(ChildProcess.Failure) {
            process = try ChildProcess(arguments, environment: environment)
        } catch {
            let words = String(cString: strerror(error.code))
            return .failed(DeliveryFailure(reason: "the program cannot be started: \(words)"))
        }
        defer { process.close() }
        let start = elapsed()
        var (rest, output, signalled) = (input[...], [UInt8](), 0)
        var end: Duration?
        while true {
            if let status = process.status() {
                process.read(into: &output, keeping: Self.outputSize)
                return outcome(status, output, wasLate: end != nil)
            }
            let isOver = elapsed() - start >= limits.run || isStopping.withLock { $0 }
            if signalled == 0, isOver {
                process.signalGroup(SIGTERM)
                (signalled, end) = (1, elapsed())
            } else if signalled == 1, let end, elapsed() - end >= limits.end {
                process.signalGroup(SIGKILL)
                signalled = 2
            }
            process.wait(hasInput: !rest.isEmpty)
            process.write(&rest)
            process.read(into: &output, keeping: Self.outputSize)
        }
    }

    private func outcome(_ status: ChildProcess.Status, _ output: [UInt8], wasLate: Bool) -> DeliveryQueue.Outcome {
        let answer = output.isEmpty ? nil : String(decoding: output, as: UTF8.self)
        switch status {
        case .exited(0): return .delivered
        case .exited(Self.refusal):
            return .rejected(DeliveryFailure(status: Int(Self.refusal), reason: "it exited with 65", answer: answer))
        case _ where isStopping.withLock { $0 }: return .notSent
        case _ where wasLate:
            let seconds = Int(limits.run.inSeconds)
            return .failed(DeliveryFailure(reason: "it ran longer than \(seconds) s and was ended", answer: answer))
        case .exited(let code):
            return .failed(DeliveryFailure(status: Int(code), reason: "it exited with \(code)", answer: answer))
        case .signalled(let signal):
            return .failed(DeliveryFailure(reason: "signal \(signal) ended it", answer: answer))
        }
    }
}
