import Foundation
import SQLiteDriver
import TaskModel
import TaskStore
import TaskTesting
import Testing

@Suite struct WitnessFileTests {
    private let now = ManualTimeSource.start

    private func statement(_ sequence: Int64, epoch: String = "abc") -> WitnessStatement {
        WitnessStatement(epoch: epoch, sequence: sequence, at: now)
    }

    @Test func `the latest statement is read`() async throws {
        let directory = try TemporaryDirectory()
        let witness = WitnessFile(in: directory.path)
        #expect(witness.read() == nil)
        for sequence in Int64(1)...5 {
            try await witness.write(statement(sequence))
            #expect(WitnessFile(in: directory.path).read() == statement(sequence))
        }
        #expect(try Data(contentsOf: URL(filePath: directory.file("witness"))).count == 1_024)
    }

    @Test func `one of the two slots is always complete`() async throws {
        let directory = try TemporaryDirectory()
        let witness = WitnessFile(in: directory.path)
        for sequence in [Int64(7), 8] { try await witness.write(statement(sequence)) }
        let path = directory.file("witness")
        let whole = try Data(contentsOf: URL(filePath: path))
        // A torn write leaves a mixture of old and new in its slot.
        for (slot, rest) in [(0, Int64(7)), (1, 8)] {
            let text = String(decoding: whole.dropFirst(slot * 512).prefix(512), as: UTF8.self)
            let holdsNewest = text.contains(" 8 ")
            for length in [1, 17, 40, 90] {
                var torn = whole
                torn.replaceSubrange(slot * 512..<slot * 512 + length, with: Data(repeating: 0x58, count: length))
                try torn.write(to: URL(filePath: path))
                #expect(witness.read()?.sequence == (holdsNewest ? 7 : 8), "slot \(slot), \(rest)")
            }
        }
        try Data("pollux-witness-1 nonsense".utf8).write(to: URL(filePath: path))
        #expect(witness.read() == nil)
    }

    @Test func `a refresh changes only the time and not the slot that is on disk`() async throws {
        let directory = try TemporaryDirectory()
        let witness = WitnessFile(in: directory.path)
        // A refresh before the first write does nothing.
        await witness.refresh(statement(1))
        #expect(witness.read() == nil)
        try await witness.write(statement(7))
        let path = directory.file("witness")
        let written = try Data(contentsOf: URL(filePath: path))
        for minute in 1...3 {
            var later = statement(7)
            later.at = now + .seconds(minute * 60)
            await witness.refresh(later)
            #expect(WitnessFile(in: directory.path).read() == later)
            // The first write is in the second slot.
            let slot = try Data(contentsOf: URL(filePath: path)).dropFirst(512)
            #expect(slot == written.dropFirst(512))
        }
        // A refresh with another sequence does nothing.
        await witness.refresh(statement(9))
        #expect(witness.read()?.sequence == 7)
        try await witness.write(statement(8))
        #expect(WitnessFile(in: directory.path).read() == statement(8))
    }

    @Test func `a copied witness is not the original, and a moved one is`() async throws {
        let directory = try TemporaryDirectory()
        let files = FileManager.default
        for name in ["one", "two", "three"] {
            try files.createDirectory(atPath: directory.file(name), withIntermediateDirectories: true)
        }
        try await WitnessFile(in: directory.file("one")).write(statement(3))
        try files.copyItem(atPath: directory.file("one/witness"), toPath: directory.file("two/witness"))
        #expect(WitnessFile(in: directory.file("two")).read()?.isOriginal == false)
        #expect(WitnessFile(in: directory.file("two")).read()?.sequence == 3)
        try files.moveItem(atPath: directory.file("one/witness"), toPath: directory.file("three/witness"))
        #expect(WitnessFile(in: directory.file("three")).read() == statement(3))
        // The next write makes the copy an original.
        try await WitnessFile(in: directory.file("two")).write(statement(4))
        #expect(WitnessFile(in: directory.file("two")).read() == statement(4))
    }

    @Test func `a failed write of a witness is an error`() async throws {
        let directory = try TemporaryDirectory()
        await #expect(throws: TaskStoreError.self) {
            try await WitnessFile(in: directory.file("missing")).write(statement(1))
        }
    }
}
