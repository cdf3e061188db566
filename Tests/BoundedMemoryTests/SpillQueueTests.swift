import BoundedMemory
import Foundation
import Testing

@Suite struct SpillQueueTests {
    private let directory = FileManager.default.temporaryDirectory.path

    @Test(arguments: [1, 7, 64, 1_000])
    func `bytes are read in order, however many are in the file`(limit: Int) throws {
        var queue = SpillQueue(limit: limit, directory: directory)
        var sent: [UInt8] = []
        var got: [UInt8] = []
        for round in 0..<200 {
            let bytes = (0..<(round * 7 % 53)).map { UInt8(truncatingIfNeeded: round + $0) }
            queue.append(bytes)
            sent += bytes
            let inMemory = queue.bytesInMemory
            #expect(inMemory <= limit)
            if round % 3 == 0 { got += try queue.take(atMost: round * 11 % 97) }
            let count = queue.count
            #expect(count == sent.count - got.count)
        }
        got += try queue.takeAll()
        #expect(got == sent)
        let left = queue.count
        #expect(left == 0)
    }

    @Test func `the file has no name`() throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "spill-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: place) }
        var queue = SpillQueue(limit: 10, directory: place.path)
        queue.append([UInt8](repeating: 1, count: 100))
        let hasSpilled = queue.hasSpilled
        #expect(hasSpilled)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).isEmpty)
    }

    @Test func `without a file all bytes are kept in memory`() throws {
        var queue = SpillQueue(limit: 10, directory: "/nowhere/at/all")
        let bytes = (0..<100).map { UInt8($0) }
        queue.append(bytes[..<50])
        queue.append(bytes[50...])
        let hasSpilled = queue.hasSpilled
        #expect(!hasSpilled)
        let first = try queue.take(atMost: 30)
        #expect(first == Array(bytes[..<30]))
        let rest = try queue.takeAll()
        #expect(rest == Array(bytes[30...]))
    }
}
