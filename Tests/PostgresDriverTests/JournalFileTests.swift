import Foundation
import PostgresDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing

@Suite struct JournalFileTests {
    private static let lines: [JournalLine] = [
        .process(LeaseToken(UInt128(7) << 100 | 9)),
        .attempt(
            JournalEntry(
                task: TrackedTask.task(1).id,
                attempt: Attempt(
                    number: 2, startedAt: Timestamp(milliseconds: 1_800_000_000_123),
                    callback: CallbackDigest((0..<32).map { UInt8($0) })),
                account: AccountName(stored: "second"), place: 7)),
        .attempt(
            JournalEntry(
                task: TrackedTask.task(2).id, attempt: Attempt(number: 1, startedAt: Timestamp(milliseconds: 5)),
                account: .default, place: 8)),
        .compared(server: "7512/00000002", place: 1 << 40), .reported(TrackedTask.task(2).id, attempt: 1),
    ]

    private func with(_ body: (String) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        try await body(directory.path)
    }

    @Test func `every line is read as it was written, also by the next process`() async throws {
        try await with { directory in
            let journal = JournalFile(in: directory)
            #expect(try await journal.read() == JournalContents())
            for line in Self.lines { try await journal.append(line) }
            #expect(try await journal.read() == JournalContents(lines: Self.lines))
            let next = JournalFile(in: directory)
            try await next.append(.process(LeaseToken(3)))
            #expect(try await next.read().lines == Self.lines + [.process(LeaseToken(3))])
        }
    }

    @Test func `a line that was not written completely is left out, and later ones are read`() async throws {
        try await with { directory in
            let path = directory + "/journal"
            for line in Self.lines { try await JournalFile(in: directory).append(line) }
            let whole = try Data(contentsOf: URL(filePath: path))
            for cut in 1..<60 {
                try whole.dropLast(cut).write(to: URL(filePath: path))
                let journal = JournalFile(in: directory)
                let kept = try await journal.read().lines
                #expect(kept == Array(Self.lines.prefix(kept.count)))
                try await journal.append(.process(LeaseToken(3)))
                #expect(try await JournalFile(in: directory).read().lines == kept + [.process(LeaseToken(3))])
            }
            var damaged = whole
            damaged[40] ^= 1
            try damaged.write(to: URL(filePath: path))
            #expect(try await JournalFile(in: directory).read().lines.count == Self.lines.count - 1)
        }
    }

    @Test func `lines that wait together are all there`() async throws {
        try await with { directory in
            let journal = JournalFile(in: directory)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...300 {
                    group.addTask { try await journal.append(.reported(TrackedTask.task(number).id, attempt: number)) }
                }
                try await group.waitForAll()
            }
            let numbers = try await journal.read().lines.compactMap { line -> Int? in
                if case .reported(_, let number) = line { number } else { nil }
            }
            #expect(numbers.sorted() == Array(1...300))
        }
    }

    @Test func `a long journal keeps its latest lines, says that it is not whole, and names its process`() async throws
    {
        try await with { directory in
            let journal = JournalFile(in: directory, longest: 2_000)
            let (process, compared) = (
                JournalLine.process(LeaseToken(5)), JournalLine.compared(server: "one", place: 3)
            )
            for line in [process, compared] { try await journal.append(line) }
            for number in 1...200 { try await journal.append(.reported(TrackedTask.task(number).id, attempt: number)) }
            let contents = try await journal.read()
            #expect(!contents.isWhole && contents.lines.contains(process) && contents.lines.contains(compared))
            #expect(contents.lines.last == .reported(TrackedTask.task(200).id, attempt: 200))
            #expect((10...60).contains(contents.lines.count))
            for name in ["/journal", "/journal.old"] {
                let size = try FileManager.default.attributesOfItem(atPath: directory + name)[.size] as? Int
                #expect(size.map { $0 < 2_500 } ?? false)
            }
        }
    }

    @Test func `a journal that cannot be written or read is an error`() async throws {
        try await with { directory in
            let gone = JournalFile(in: directory + "/gone")
            await #expect(throws: TaskStoreError.self) { try await gone.append(Self.lines[0]) }
            try FileManager.default.createDirectory(atPath: directory + "/journal", withIntermediateDirectories: false)
            let unreadable = JournalFile(in: directory)
            await #expect(throws: TaskStoreError.self) { try await unreadable.append(Self.lines[0]) }
            await #expect(throws: TaskStoreError.self) { _ = try await unreadable.read() }
        }
    }

    @Test func `a copy of the directory does not speak for the machine that it was copied from`() async throws {
        try await with { directory in
            for line in Self.lines { try await JournalFile(in: directory).append(line) }
            let copy = try TemporaryDirectory()
            try FileManager.default.copyItem(atPath: directory + "/journal", toPath: copy.path + "/journal")
            let journal = JournalFile(in: copy.path)
            #expect(try await journal.read().lines == Array(Self.lines.dropFirst()))
            // Its own processes count.
            try await journal.append(.process(LeaseToken(3)))
            #expect(try await journal.read().lines == Self.lines.dropFirst() + [.process(LeaseToken(3))])
        }
    }

    @Test func `a file that cannot be put aside loses no line, and is put aside later`() async throws {
        try await with { directory in
            let journal = JournalFile(in: directory, longest: 600)
            let obstacle = directory + "/journal.old"
            try FileManager.default.createDirectory(atPath: obstacle + "/x", withIntermediateDirectories: true)
            var written: [JournalLine] = []
            for number in 1...20 {
                let line = JournalLine.reported(TrackedTask.task(number).id, attempt: number)
                if (try? await journal.append(line)) != nil { written.append(line) }
            }
            // From some line on each one fails.
            #expect((2..<20).contains(written.count))
            try FileManager.default.removeItem(atPath: obstacle)
            #expect(try await journal.read().lines == written)
            try await journal.append(.process(LeaseToken(5)))
            #expect(try await journal.read().lines == written + [.process(LeaseToken(5))])
            #expect(try await !journal.read().isWhole)
        }
    }
}
