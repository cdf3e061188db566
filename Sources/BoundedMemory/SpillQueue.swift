/// A byte queue that keeps a part in memory and the rest in an unnamed temporary file.
///
/// If the file cannot be created or written, as on a full disk, all bytes stay in memory: they must not be lost.
package struct SpillQueue: ~Copyable, Sendable {
    /// The temporary file cannot be read back.
    package struct Unreadable: Error {
        /// The `errno` value.
        package let code: Int32
    }

    private let limit: Int
    private let directory: String
    private var file: TemporaryFile?
    /// The unread part of the file. All of it precedes the bytes in memory.
    private var inFile = 0..<0
    private var inMemory: [UInt8] = []
    private var canSpill = true

    /// Creates an empty queue with at most `limit` bytes in memory. The file lives on the file system of `directory`.
    package init(limit: Int, directory: String) {
        self.limit = limit
        self.directory = directory
    }

    /// The number of bytes in the queue.
    package var count: Int { inFile.count + inMemory.count }
    /// The number of bytes in memory.
    package var bytesInMemory: Int { inMemory.count }
    /// Whether the file holds unread bytes.
    package var hasSpilled: Bool { !inFile.isEmpty }

    /// Appends bytes.
    package mutating func append(_ bytes: some Collection<UInt8>) {
        inMemory.append(contentsOf: bytes)
        if inMemory.count > limit { spill() }
    }

    /// Moves the bytes in memory to the file.
    package mutating func spill() {
        guard canSpill, !inMemory.isEmpty else { return }
        do throws(TemporaryFile.Failure) {
            let file = if let file { file } else { try TemporaryFile(in: directory) }
            self.file = file
            try file.write(inMemory, at: inFile.upperBound)
            inFile = inFile.lowerBound..<inFile.upperBound + inMemory.count
            inMemory = []
        } catch {
            // The file's earlier contents stay valid. A partial write behind its end is not counted.
            canSpill = false
        }
    }

    /// Removes and returns at most this many bytes; empty if there are none.
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
    /// Removes and returns all bytes.
    package mutating func takeAll() throws(Unreadable) -> [UInt8] {
        var all = try take(atMost: .max)
        // After a disk became full, a part is in the file and the rest in memory.
        if count > 0 { all += try take(atMost: .max) }
        return all
    }
}
