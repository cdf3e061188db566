#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads a file or standard input line by line, as it comes.
struct LineReader {
    struct Line: Sendable {
        /// 1 for the first.
        let number: Int
        let bytes: [UInt8]

        var isBlank: Bool { bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d } }
    }

    private let descriptor: CInt
    private var buffer: [UInt8] = []
    private var start = 0
    private var searched = 0
    private var number = 0
    private var hasEnded = false

    /// Opens the file; `-` is standard input.
    init(path: String) throws {
        descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RefusedInput(message: "\(path.printable): \(String(cString: strerror(errno))).")
        }
    }

    /// The next line without its line break; nil at the end. Blocks until it is there.
    mutating func next() -> Line? {
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[start..<end])
                (start, searched) = (end + 1, end + 1)
                number += 1
                return Line(number: number, bytes: line)
            }
            searched = buffer.count
            if hasEnded {
                guard start < buffer.count else { return nil }
                let line = Array(buffer[start...])
                start = buffer.count
                number += 1
                return Line(number: number, bytes: line)
            }
            fill()
        }
    }

    /// All that is left.
    mutating func rest() -> [UInt8] {
        while !hasEnded { fill() }
        return Array(buffer[start...])
    }

    private mutating func fill() {
        buffer.removeFirst(start)
        (searched, start) = (searched - start, 0)
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &chunk, chunk.count)
        if count > 0 {
            buffer.append(contentsOf: chunk[..<count])
        } else if count == 0 || errno != EINTR {
            hasEnded = true
            if descriptor != STDIN_FILENO { close(descriptor) }
        }
    }
}
