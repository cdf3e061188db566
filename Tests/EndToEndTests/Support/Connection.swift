import Foundation
import Glibc
import Synchronization
import VerbatimJSON

/// A raw connection. All reads and writes have a deadline.
final class Connection: Sendable {
    /// The other side closed or reset the connection.
    struct Closed: Error {}

    private let descriptor: Int32
    private let buffer = Mutex([UInt8]())

    /// Connects to a Unix socket.
    init(socketPath: String, seconds: Int = patience) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8.prefix(107)) }
        try connect(&address, seconds: seconds)
    }

    /// Connects to a loopback port.
    init(port: Int, seconds: Int = patience) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        try connect(&address, seconds: seconds)
    }

    private func connect<Address>(_ address: inout Address, seconds: Int) throws {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }

    deinit { close(descriptor) }

    /// Closes the connection immediately in both directions.
    func cut() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Closes the write direction.
    func finishWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    func write(_ text: String) throws { try write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                throw errno == EAGAIN
                    ? TooLate(description: "The other side did not read the bytes") as any Error : Closed()
            }
            sent += count
        }
    }

    /// Some bytes; empty at the end of the stream.
    private func read() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count >= 0 else { throw errno == EAGAIN ? TooLate(description: "No bytes came") as any Error : Closed() }
        return Array(bytes[..<count])
    }

    /// One line without its terminator. Throws ``Closed`` if the connection ends first.
    func line() throws -> String {
        while true {
            let line = buffer.withLock { buffer -> [UInt8]? in
                guard let end = buffer.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
                defer { buffer.removeFirst(end + 1) }
                return Array(buffer[..<end])
            }
            if let line {
                return String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...], as: UTF8.self)
            }
            let more = try read()
            guard !more.isEmpty else { throw Closed() }
            buffer.withLock { $0 += more }
        }
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        while buffer.withLock({ $0.count }) < count {
            let more = try read()
            guard !more.isEmpty else { throw Closed() }
            buffer.withLock { $0 += more }
        }
        return buffer.withLock { buffer in
            defer { buffer.removeFirst(count) }
            return Array(buffer[..<count])
        }
    }

    /// Everything until the connection ends.
    func rest() throws -> [UInt8] {
        while true {
            let more = try read()
            guard !more.isEmpty else { break }
            buffer.withLock { $0 += more }
        }
        return buffer.withLock { buffer in
            defer { buffer = [] }
            return buffer
        }
    }

    /// The head of a response. Its body is still unread.
    func head() throws -> Reply {
        let status = try line()
        var reply = Reply(status: status.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
        while true {
            let field = try line()
            guard let colon = field.firstIndex(of: ":") else { return reply }
            reply.headers[field[..<colon].lowercased()] = field[field.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
    }

    /// One chunk of a chunked body; nil after the last.
    func chunk() throws -> [UInt8]? {
        let size = Int(try line(), radix: 16) ?? 0
        let chunk = try bytes(size)
        _ = try line()
        return size == 0 ? nil : chunk
    }

    /// One complete response.
    func reply() throws -> Reply {
        var reply = try head()
        if let length = reply.headers["content-length"].flatMap({ Int($0) }) {
            reply.body = try bytes(length)
        } else if reply.headers["transfer-encoding"] == "chunked" {
            while let chunk = try chunk() { reply.body += chunk }
        } else {
            reply.body = try rest()
        }
        return reply
    }
}

/// The response to a request.
struct Reply: Sendable {
    var status: Int
    var headers: [String: String] = [:]
    var body: [UInt8] = []

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSONValue { get throws { try JSONValue(parsing: body, limits: .lenient) } }
}

extension JSONValue {
    /// The JSON value at this path of names; null if it is missing.
    func at(_ names: String...) -> JSONValue {
        names.reduce(self) { value, name in value.object?[name] ?? .null }
    }

    var integer: Int? { number?.integer.map(Int.init) }
}
