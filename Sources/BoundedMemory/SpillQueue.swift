/// Bytes, first in, first out, of which only a part is in memory; the others stand in a temporary file without a name.
///
/// Where no file can be made or written, as on a full disk, all of them stay in memory: what is kept here must not be lost.
package struct SpillQueue: ~Copyable, Sendable {
    /// What was written to the file cannot be read back.
    package struct Unreadable: Error {
        /// The system's error number.
        package let code: Int32
    }

    private let limit: Int
    private let directory: String
    private var file: TemporaryFile?
    /// The part of the file that has not been taken; all of it comes before what is in memory.
    private var inFile = 0..<0
    private var inMemory: [UInt8] = []
    private var canSpill = true

    /// An empty queue that keeps at most `limit` bytes in memory, and the others on the file system of `directory`.
    package init(limit: Int, directory: String) {
        self.limit = limit
        self.directory = directory
    }

    /// How many bytes are in it.
    package var count: Int { inFile.count + inMemory.count }
    /// How many of them are in memory.
    package var bytesInMemory: Int { inMemory.count }
    /// Whether some are in the file.
    package var hasSpilled: Bool { !inFile.isEmpty }

    /// Adds the bytes at the end.
    package mutating func append(_ bytes: some Collection<UInt8>) {
        inMemory.append(contentsOf: bytes)
        if inMemory.count > limit { spill() }
    }

    /// Moves what is in memory to the file.
    package mutating func spill() {
        guard canSpill, !inMemory.isEmpty else { return }
        do throws(TemporaryFile.Failure) {
            let file = if let file { file } else { try TemporaryFile(in: directory) }
            self.file = file
            try file.write(inMemory, at: inFile.upperBound)
            inFile = inFile.lowerBound..<inFile.upperBound + inMemory.count
            inMemory = []
        } catch {
            // What the file holds already stays good: a part that was written beyond its end is not counted.
            canSpill = false
        }
    }

    /// Takes the first bytes, at most so many; empty where there are none.
    package mutating func take(atMost most: Int) throws(Unreadable) -> [UInt8] {
        guard let file, !inFile.isEmpty else {
            guard inMemory.count > most else {
                defer { inMemory = [] }
                return inMemory
            }
            defer { inMemory.removeFirst(most) }
            return Array(inMemory.prefix(most))
        }
        do throws(TemporaryFile.Failure) {
            let bytes = try file.read(min(most, inFile.count), at: inFile.lowerBound)
            inFile = inFile.lowerBound + bytes.count..<inFile.upperBound
            if inFile.isEmpty {
                inFile = 0..<0
                file.clear()
            }
            return bytes
        } catch {
            throw Unreadable(code: error.code)
        }
    }
    /// Takes all of it.
    package mutating func takeAll() throws(Unreadable) -> [UInt8] {
        var all = try take(atMost: .max)
        // On a full disk a part stands in the file, and the rest in memory.
        if count > 0 { all += try take(atMost: .max) }
        return all
    }
}
