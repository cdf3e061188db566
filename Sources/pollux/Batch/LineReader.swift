import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads a file or standard input line by line.
struct LineReader {
    struct Line: Sendable {
        /// The line number, from 1.
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
    private var hasBegun = false
    private let path: String
    /// The errno of a failed read.
    private var failure: CInt?

    /// Opens the file; `-` is standard input.
    init(path: String) throws {
        self.path = path
        descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RefusedInput(path: path, errno: errno)
        }
    }

    /// The next lines; none at the end. It blocks until one line is available, then takes all other available lines.
    ///
    /// So a program that writes one line and waits gets its reply, and a file is sent in large parts.
    mutating func nextLines(atMost most: Int, bytes: Int) -> [Line] {
        guard let first = next() else { return [] }
        var lines = [first]
        var size = first.bytes.count
        while lines.count < most, size < bytes, let line = next(mayWait: false) {
            lines.append(line)
            size += line.bytes.count
        }
        return lines
    }

    /// The next line without its line break; nil at the end. It blocks until the line is available.
    mutating func next() -> Line? { next(mayWait: true) }

    private mutating func next(mayWait: Bool) -> Line? {
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
            guard mayWait || isReady else { return nil }
            fill()
        }
    }

    /// Whether a read would not block.
    private var isReady: Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, 0) > 0
    }

    /// Throws if a read failed: a directory, a broken disk.
    func checkEnd() throws {
        guard let failure else { return }
        throw RefusedInput(path: path, errno: failure)
    }

    /// All remaining bytes.
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
            skipMark()
        } else if count == 0 || errno != EINTR {
            if count < 0 { failure = errno }
            hasEnded = true
            if descriptor != STDIN_FILENO { close(descriptor) }
        }
    }

    /// Skips the byte order mark that some editors add to a file.
    private mutating func skipMark() {
        let mark = ByteOrderMark.utf8
        guard !hasBegun, buffer.count >= mark.count || !mark.starts(with: buffer) else { return }
        hasBegun = true
        buffer = Array(buffer.withoutByteOrderMark)
    }
}
