import Foundation
import Glibc
import Logging
import ProviderCatalog
import TaskModel
import Testing

@testable import Daemon

/// A pipe that the test reads on demand.
private struct LogPipe {
    let reader: CInt
    let writer: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        guard pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
        (reader, writer) = (ends[0], ends[1])
        // F_SETPIPE_SZ: one page, so that little data fills it.
        _ = fcntl(writer, 1031, 4_096)
    }

    /// Reads all lines until the writer closes, on another thread so that it blocks no test thread.
    func lines() async -> [String] {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: rest()) }
        }
    }

    private func rest() -> [String] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(reader, &chunk, chunk.count), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

@Suite(.timeLimit(.minutes(5))) struct LogQueueTests {
    @Test func `an unread log blocks nothing, and dropped lines are counted`() async throws {
        let pipe = try LogPipe()
        let queue = LogQueue(descriptor: pipe.writer, maxBytes: 64 << 10)
        let logger = Logger(label: "test") { _ in LineLogHandler(level: Current(always: .info), to: queue) }
        let sent = 20_000
        for number in 0..<sent { logger.info("line \(number)") }
        #expect(await queue.flush(within: .milliseconds(50)) == false)
        // Starts reading.
        async let reading = pipe.lines()
        #expect(await queue.flush(within: .seconds(30)))
        logger.info("the last")
        #expect(await queue.flush(within: .seconds(30)))
        close(pipe.writer)
        let lines = await reading
        close(pipe.reader)

        let numbers = lines.compactMap { $0.split(separator: "line ").last.flatMap { Int($0) } }
        #expect(numbers == numbers.sorted() && numbers.first == 0)
        let dropped = try #require(
            lines.compactMap { line in
                line.firstMatch(of: /WARNING (\d+) log lines were dropped because the log was not read/).flatMap {
                    Int($0.1)
                }
            }.first)
        #expect(numbers.count + dropped == sent)
        #expect(dropped > 0 && numbers.count > 100)
        #expect(lines.last?.hasSuffix("INFO the last") == true)
    }

    private func line(_ text: String) -> LogLine {
        LogLine(at: Timestamp(milliseconds: 1_795_008_000_000), .info, text)
    }

    @Test func `lines of several threads are all written and not mixed`() async throws {
        let pipe = try LogPipe()
        let queue = LogQueue(descriptor: pipe.writer)
        async let reading = pipe.lines()
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask { for number in 0..<200 { queue.put(line("\(writer) \(number) end")) } }
            }
        }
        #expect(await queue.flush(within: .seconds(30)))
        close(pipe.writer)
        let lines = await reading
        close(pipe.reader)
        #expect(Set(lines).count == 1_600 && lines.count == 1_600)
        for writer in 0..<8 {
            #expect(
                lines.filter { $0.contains(" INFO \(writer) ") }
                    == (0..<200).map { "2026-11-18T13:20:00.000Z INFO \(writer) \($0) end" })
        }
    }

    @Test func `a log without a reader loses only its lines`() async throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = try LogPipe()
        close(pipe.reader)
        let queue = LogQueue(descriptor: pipe.writer)
        for _ in 0..<1_000 { queue.put(line("line")) }
        #expect(await queue.flush(within: .seconds(30)))
        close(pipe.writer)
    }
}
