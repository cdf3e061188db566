import Foundation
import Glibc
import Synchronization

/// FakeDaemon answers requests on a Unix socket with what a test has written down, one connection each.
final class FakeDaemon: Sendable {
    /// A request as it came.
    struct Request: Sendable {
        let head: String
        let body: String

        var lines: [String] { body.split(separator: "\n").map(String.init) }
    }

    let path = "/tmp/pollux-fake-\(UInt32.random(in: .min ... .max)).sock"
    private let descriptor: Int32
    private let received = Mutex<[Request]>([])

    var requests: [Request] { received.withLock { $0 } }

    /// Listens; each request is answered with the bytes that the closure makes, then the connection ends. After so many
    /// requests the socket no longer listens.
    init(requests: Int, _ answer: @escaping @Sendable (_ number: Int, _ request: Request) -> String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(descriptor, 8) == 0 else { throw POSIXError(.EADDRINUSE) }
        Thread.detachNewThread { [self] in
            for number in 1...requests {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0, let request = Self.read(from: connection) else { break }
                received.withLock { $0.append(request) }
                let bytes = Array(answer(number, request).utf8)
                _ = bytes.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                close(connection)
            }
            close(descriptor)
            unlink(path)
        }
    }

    private static func read(from connection: Int32) -> Request? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                let length = head.firstMatch(of: /(?i)content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
                let body = text[end.upperBound...]
                if body.utf8.count >= length { return Request(head: head, body: String(body)) }
            }
            let count = recv(connection, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            bytes += chunk[..<count]
        }
    }
}
