import Dispatch
import Synchronization
import VerbatimJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads lines of bounded length. Each read blocks a thread outside the pool of Swift's tasks.
struct BoundedLineReader {
    enum Line: Sendable, Hashable {
        case text([UInt8])
        /// It was longer than the bound and is dropped.
        case tooLong
    }

    private static let queue = DispatchQueue(label: "pollux.mcp.input")

    let descriptor: CInt
    /// As for the body of a request on the socket.
    var maxBytes = 8 << 20
    private(set) var lines: [Line] = []
    private var rest: [UInt8] = []
    private var isDropping = false
    private var hasEnded = false

    init(descriptor: CInt, maxBytes: Int = 8 << 20) {
        self.descriptor = descriptor
        self.maxBytes = maxBytes
    }

    /// The next line without its end; nil at the end of the input. A last line needs no line end.
    mutating func next() async -> Line? {
        while lines.isEmpty, !hasEnded {
            let descriptor = descriptor
            let chunk = await withCheckedContinuation { continuation in
                Self.queue.async { continuation.resume(returning: Self.read(descriptor)) }
            }
            take(chunk)
        }
        return lines.isEmpty ? nil : lines.removeFirst()
    }

    /// Takes bytes; none at the end.
    mutating func take(_ bytes: [UInt8]) {
        var chunk = bytes[...]
        while let end = chunk.firstIndex(of: UInt8(ascii: "\n")) {
            append(chunk[..<end])
            endLine()
            chunk = chunk[chunk.index(after: end)...]
        }
        append(chunk)
        guard bytes.isEmpty else { return }
        hasEnded = true
        if isDropping || !rest.isEmpty { endLine() }
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        guard !isDropping else { return }
        rest += bytes
        guard rest.count > maxBytes else { return }
        rest = []
        isDropping = true
    }

    private mutating func endLine() {
        lines.append(isDropping ? .tooLong : .text(rest))
        (rest, isDropping) = ([], false)
    }

    private static func read(_ descriptor: CInt) -> [UInt8] {
        while true {
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            #if canImport(Glibc)
                let count = Glibc.read(descriptor, &chunk, chunk.count)
            #else
                let count = Darwin.read(descriptor, &chunk, chunk.count)
            #endif
            if count >= 0 { return Array(chunk[..<count]) }
            if errno != EINTR { return [] }
        }
    }
}

/// Writes one message per line, in order. A host that does not read blocks only a thread outside the pool of Swift's tasks.
struct MCPOutput: Sendable {
    private let queue = DispatchQueue(label: "pollux.mcp.output")
    /// Writes a text; returns false if the host has closed its end.
    var sink: @Sendable (String) -> Bool = { (try? StandardOutput.write($0)) != nil }

    /// Returns false if the host has closed its end.
    @discardableResult
    func write(_ message: JSONValue) async -> Bool {
        // Controls are escaped, since hosts show messages in terminals.
        let line = message.printableText + "\n"
        let sink = sink
        return await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: sink(line)) }
        }
    }
}

/// Counts replies that are being written and the notes of their receipt.
///
/// A host may send its next call once it has read a reply. The next `generate` waits until the daemon knows about that reply.
actor ReceiptGate {
    private var open = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func begin() { open += 1 }

    func end() {
        open -= 1
        guard open == 0 else { return }
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    /// Returns when no note is being sent.
    func settled() async {
        guard open > 0 else { return }
        await withCheckedContinuation { waiting.append($0) }
    }
}
