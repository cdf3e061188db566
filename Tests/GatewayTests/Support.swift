import Foundation
import Glibc
import ProviderCatalog
import TaskEngine
import TaskModel
import TaskTesting

@testable import Gateway

/// The rule for the statuses of submissions.
enum SubmissionStatus {
    static func safe(_ status: Int) -> Int { SubmissionRoute.safe(status) }
}

extension GatewayHarness {
    /// Runs the body. Once the provider has got a request, lets half a minute pass whenever nothing but time is awaited.
    func whileTimePasses(
        after gate: Gate, _ body: @escaping @Sendable () async throws -> Reply
    ) async throws -> Reply {
        try await withThrowingTaskGroup(of: Reply?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await gate.arrived()
                // The submitter's loop and the waiting request.
                while !Task.isCancelled {
                    await world.time.untilSleeping(2)
                    world.time.advance(by: .seconds(30))
                }
                return nil
            }
            var reply: Reply?
            while reply == nil, let next = try await group.next() {
                reply = next
                group.cancelAll()
            }
            guard let reply else { throw CancellationError() }
            return reply
        }
    }

    /// Loses the reply to the next submission.
    func loseReply() -> Gate {
        let gate = Gate()
        gate.open()
        world.provider.play { _ throws(UpstreamTransportError) in
            await gate.pass()
            throw .interrupted("reset")
        }
        return gate
    }
}

/// The bytes of a file; empty if there is none.
func bytes(of path: String) throws -> [UInt8] {
    FileManager.default.fileExists(atPath: path) ? Array(try Data(contentsOf: URL(filePath: path))) : []
}

/// Whether these bytes stand in the others.
func contains(_ bytes: [UInt8], in others: [UInt8]) -> Bool { Data(others).range(of: Data(bytes)) != nil }

/// A socket whose end a test chooses.
final class PlainSocket {
    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let outcome = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard outcome == 0 else { throw POSIXError(.ECONNREFUSED) }
    }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw POSIXError(.EPIPE) }
    }

    /// Returns once bytes can be read, without reading them.
    func waitForReply() throws {
        var byte: UInt8 = 0
        guard recv(descriptor, &byte, 1, Int32(MSG_PEEK)) == 1 else { throw POSIXError(.ECONNRESET) }
    }

    /// Closes the connection with a reset.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }
}
