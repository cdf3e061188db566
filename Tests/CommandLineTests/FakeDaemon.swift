import Foundation
import Glibc
import Synchronization

/// Replies to requests on a Unix socket with scripted bytes, one request per connection.
final class FakeDaemon: Sendable {
    /// A received request.
    struct Request: Sendable {
        let head: String
        let body: String

        var lines: [String] { body.split(separator: "\n").map(String.init) }
    }

    let path = "/tmp/pollux-fake-\(UInt32.random(in: .min ... .max)).sock"
    private let listener: UnixListener
    private let received = Mutex<[Request]>([])

    var requests: [Request] { received.withLock { $0 } }

    /// Listens and replies to each request with the bytes that the closure returns, then closes the connection. The
    /// socket closes after that many requests.
    init(requests: Int, _ answer: @escaping @Sendable (_ number: Int, _ request: Request) -> String) throws {
        listener = try UnixListener(path: path)
        Thread.detachNewThread { [self] in
            for number in 1...requests {
                let connection = accept(listener.descriptor, nil, nil)
                guard connection >= 0, let request = Self.read(from: connection) else { break }
                received.withLock { $0.append(request) }
                let bytes = Array(answer(number, request).utf8)
                _ = bytes.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                close(connection)
            }
            listener.close()
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
