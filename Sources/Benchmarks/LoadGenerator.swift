import Foundation
import Glibc

/// Generates load without becoming the bottleneck: one thread, raw sockets, poll(2).
///
/// Each connection has one request in flight. The next one is sent in one write when the last reply is complete. Its
/// bytes are prepared or cheap. Only the end of a reply is parsed.
struct LoadGenerator {
    /// The address to connect to.
    enum Target: Sendable {
        case unix(String)
        case tcp(port: UInt16)
    }

    /// How the end of a reply is found.
    enum Framing: Sendable {
        /// By its content length, or its last chunk.
        case http
        /// At the first line break.
        case line
    }

    struct Outcome: Sendable {
        let perSecond: Double
        let latencies: Latencies
        /// The number of replies with an unexpected beginning.
        let refused: Int
    }

    let target: Target
    let framing: Framing
    let connections: Int
    /// The beginning of every good reply.
    let expecting: String

    /// Sends this many requests and waits for all replies.
    func run(
        _ count: Int, onAnswer: ([UInt8]) -> Void = { _ in }, request: (Int) -> [UInt8]
    ) throws -> Outcome {
        var peers: [Int32: Peer] = [:]
        defer { for fd in peers.keys { close(fd) } }
        var sent = 0
        var samples: [UInt64] = []
        samples.reserveCapacity(count)
        var refused = 0
        for _ in 0..<min(connections, count) {
            let fd = try connected()
            peers[fd] = Peer()
        }
        let start = Clock.nanoseconds
        for fd in peers.keys {
            try send(request(sent), on: fd)
            peers[fd]?.sentAt = Clock.nanoseconds
            sent += 1
        }
        let good = Array(expecting.utf8)
        var watched = peers.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while samples.count < count {
            guard poll(&watched, nfds_t(watched.count), 10_000) > 0 else { throw BenchmarkError("no answer for 10 s") }
            for fd in watched.lazy.filter({ $0.revents != 0 }).map(\.fd) {
                let size = read(fd, &buffer, buffer.count)
                guard size > 0, var peer = peers[fd] else { throw BenchmarkError("a connection was closed") }
                peer.answer += buffer[..<size]
                if isWhole(&peer) {
                    samples.append(Clock.nanoseconds - peer.sentAt)
                    if !peer.answer.starts(with: good) { refused += 1 }
                    onAnswer(peer.answer)
                    peer.answer.removeAll(keepingCapacity: true)
                    peer.expected = nil
                    if sent < count {
                        let bytes = request(sent)
                        sent += 1
                        peer.sentAt = Clock.nanoseconds
                        try send(bytes, on: fd)
                    }
                }
                peers[fd] = peer
            }
        }
        let seconds = Double(Clock.nanoseconds - start) / 1e9
        return Outcome(perSecond: Double(count) / seconds, latencies: Latencies(samples), refused: refused)
    }

    private struct Peer {
        var answer: [UInt8] = []
        var expected: Int?
        var sentAt: UInt64 = 0
    }

    private func isWhole(_ peer: inout Peer) -> Bool {
        if case .line = framing { return peer.answer.last == UInt8(ascii: "\n") }
        if let expected = peer.expected {
            if expected >= 0 { return peer.answer.count >= expected }
            return peer.answer.suffix(5).elementsEqual("0\r\n\r\n".utf8)
        }
        guard let end = HTTPText.endOfHead(peer.answer) else { return false }
        peer.expected = HTTPText.contentLength(peer.answer[..<end]).map { end + $0 } ?? -1
        return isWhole(&peer)
    }

    /// A connected socket, closed by the caller.
    func connected() throws -> Int32 {
        switch target {
        case .unix(let path): try RawSocket.unix(path)
        case .tcp(let port): try RawSocket.tcp(port)
        }
    }

    private func send(_ bytes: [UInt8], on fd: Int32) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            guard count > 0 else { throw BenchmarkError("a request could not be sent") }
            rest = rest.dropFirst(count)
        }
    }
}

/// Formats HTTP/1.1 messages and finds their ends.
enum HTTPText {
    static func endOfHead(_ bytes: [UInt8]) -> Int? {
        var index = 3
        while index < bytes.count {
            if bytes[index] == 10, bytes[index - 1] == 13, bytes[index - 2] == 10 { return index + 1 }
            index += 1
        }
        return nil
    }

    static func contentLength(_ head: ArraySlice<UInt8>) -> Int? {
        let text = String(decoding: head, as: UTF8.self).lowercased()
        guard let name = text.range(of: "content-length: ") else { return nil }
        return Int(text[name.upperBound...].prefix { $0.isNumber })
    }

    /// A good response with that JSON body.
    static func response(_ body: [UInt8]) -> [UInt8] {
        Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
    }

    /// A request with a body, or without one.
    static func request(_ method: String, _ path: String, _ body: String? = nil, type: String = "application/json")
        -> [UInt8]
    {
        let head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
        guard let body else { return Array((head + "\r\n").utf8) }
        return Array((head + "Content-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body).utf8)
    }
}
