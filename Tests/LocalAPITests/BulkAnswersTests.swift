import NIOCore
import Synchronization
import Testing

@testable import LocalAPI

/// Answers that are made faster than they are read.
@Suite(.timeLimit(.minutes(1))) struct BulkAnswersTests {
    private func answer(_ bytes: Int) -> ByteBuffer { ByteBuffer(bytes: [UInt8](repeating: 97, count: bytes)) }

    @Test func `whoever reads slowly gets all of them, and little is kept for it`() async throws {
        let (stream, answers) = Answers.make(atMost: 1_000, patience: .seconds(20))
        let made = Mutex(0)
        let making = Task {
            defer { answers.finish() }
            for _ in 0..<40 {
                try await answers.put(answer(100))
                made.withLock { $0 += 100 }
            }
        }
        var read = 0
        for await answer in stream {
            // Every chance to make more than may wait; one answer may be under way beside those.
            for _ in 0..<20 { await Task.yield() }
            #expect(made.withLock { $0 } <= read + 1_200)
            read += answer.readableBytes
            answers.wasRead(answer.readableBytes)
        }
        try await making.value
        #expect(read == 4_000)
    }

    @Test func `whoever reads nothing is given up after a while`() async throws {
        let (stream, answers) = Answers.make(atMost: 1_000, patience: .milliseconds(100))
        // The first that is too much is still taken: one answer may be larger than all that may wait.
        for _ in 0..<11 { try await answers.put(answer(100)) }
        await #expect(throws: NobodyReads.self) { try await answers.put(answer(100)) }
        withExtendedLifetime(stream) {}
    }
}
