import Foundation
import Glibc
import ServiceManager
import Testing

@Suite(.serialized) struct InheritedSocketsTests {
    /// Descriptors that follow each other, as a service manager passes them.
    private static let first: Int32 = 700

    private enum Kind: Sendable { case path(String), ip4, ip6, datagram, notListening }

    /// Opens the sockets from ``first`` on, and closes them after the test.
    private func passing(
        _ kinds: [Kind], names: String?, pid: Int32 = 7, _ test: (InheritedSockets) throws -> Void
    ) throws {
        defer { for index in kinds.indices { close(Self.first + Int32(index)) } }
        for (index, kind) in kinds.enumerated() {
            let descriptor = try open(kind)
            #expect(dup2(descriptor, Self.first + Int32(index)) >= 0)
            close(descriptor)
        }
        var environment = ["LISTEN_PID": "\(pid)", "LISTEN_FDS": "\(kinds.count)"]
        environment["LISTEN_FDNAMES"] = names
        try test(try InheritedSockets(environment: environment, pid: 7, first: Self.first))
    }

    private func open(_ kind: Kind) throws -> Int32 {
        let stream = Int32(SOCK_STREAM.rawValue)
        let descriptor: Int32
        switch kind {
        case .path(let path):
            descriptor = socket(AF_UNIX, stream, 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(result == 0)
        // Without an address, the system chooses a port of all addresses.
        case .ip4, .notListening: descriptor = socket(AF_INET, stream, 0)
        case .ip6: descriptor = socket(AF_INET6, stream, 0)
        case .datagram: return socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        }
        if case .notListening = kind { return descriptor }
        try #require(listen(descriptor, 1) == 0)
        return descriptor
    }

    @Test func `sockets are found by name, with their addresses, and handed over once`() throws {
        let path = "/tmp/pollux-inherited-\(UInt32.random(in: .min ... .max))"
        defer { unlink(path) }
        try passing([.path(path), .ip4, .ip6], names: "socket:gateway.listen:metrics.listen") { sockets in
            #expect(sockets.addresses["socket"] == .path(path))
            #expect(sockets.addresses["gateway.listen"]?.description.hasPrefix("0.0.0.0:") == true)
            #expect(sockets.addresses["metrics.listen"]?.description.hasPrefix("[::]:") == true)
            #expect(sockets.addresses.count == 3)
            #expect(sockets.take("gateway.listen") == Self.first + 1)
            #expect(sockets.take("gateway.listen") == nil)
            #expect(sockets.take("callbacks.listen") == nil)
            for index in 0..<3 { #expect(fcntl(Self.first + Int32(index), F_GETFD) == FD_CLOEXEC) }
        }
    }

    @Test func `sockets of another process are not ours`() throws {
        try passing([.ip4], names: "socket", pid: 8) { #expect($0.addresses.isEmpty) }
        #expect(try InheritedSockets(environment: [:], pid: 7).addresses.isEmpty)
        let broken = ["LISTEN_PID": "7", "LISTEN_FDS": "-2"]
        #expect(try InheritedSockets(environment: broken, pid: 7).addresses.isEmpty)
    }

    @Test func `a socket without a name has the name that systemd gives it`() throws {
        try passing([.ip4], names: nil) { #expect(Array($0.addresses.keys) == ["unknown"]) }
    }

    @Test func `what is no listening stream socket is refused by name`() throws {
        for kind in [Kind.datagram, .notListening] {
            let problem = try #require(throws: InheritedSockets.Problem.self) {
                try passing([kind], names: "gateway.listen") { _ in }
            }
            #expect(problem.message.contains("\"gateway.listen\", which is no listening stream socket"))
        }
        // Nothing is open there.
        #expect(throws: InheritedSockets.Problem.self) {
            try InheritedSockets(environment: ["LISTEN_PID": "7", "LISTEN_FDS": "1"], pid: 7, first: 900)
        }
    }

    @Test func `two sockets of one name are refused`() throws {
        let problem = try #require(throws: InheritedSockets.Problem.self) {
            try passing([.ip4, .ip4], names: "gateway.listen:gateway.listen") { _ in }
        }
        #expect(problem.message.contains("several sockets with the name \"gateway.listen\""))
    }
}
