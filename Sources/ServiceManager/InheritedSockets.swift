import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// InheritedSockets are listening sockets that a service manager opened and passed to the daemon.
///
/// The service manager keeps them open while the daemon does not run, so clients wait for the next start instead of failing.
/// Source: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
package final class InheritedSockets: Sendable {
    /// Where a socket listens.
    package enum Address: Sendable, Hashable, CustomStringConvertible {
        case path(String)
        case network(host: String, port: Int)

        package var description: String {
            switch self {
            case .path(let path): path
            case .network(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            }
        }
    }

    /// Why the sockets cannot be used.
    package struct Problem: Error, Sendable {
        /// A whole sentence.
        package let message: String
    }

    /// The addresses by name.
    package let addresses: [String: Address]
    private let descriptors: Mutex<[String: Int32]>

    /// Finds the sockets for the process `pid`, and keeps programs that the daemon starts from inheriting them. `first` is the
    /// first of their descriptors, which follow each other.
    package init(
        environment: [String: String], pid: Int32 = getpid(), first: Int32 = 3
    ) throws(Problem) {
        var (addresses, descriptors) = ([String: Address](), [String: Int32]())
        let isForUs = environment["LISTEN_PID"].flatMap { Int32($0) } == pid
        let count = isForUs ? environment["LISTEN_FDS"].flatMap { Int32($0) } ?? 0 : 0
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        for index in 0..<max(count, 0) {
            let given = names.indices.contains(Int(index)) ? String(names[Int(index)]) : ""
            // systemd's name for a socket without one.
            let name = given.isEmpty ? "unknown" : given
            guard addresses[name] == nil else {
                throw Problem(
                    message:
                        "The service manager passed several sockets with the name \"\(name)\". Give each a FileDescriptorName= of its own."
                )
            }
            let descriptor = first + index
            addresses[name] = try Self.address(of: descriptor, named: name)
            descriptors[name] = descriptor
        }
        self.addresses = addresses
        self.descriptors = Mutex(descriptors)
    }

    /// Hands the socket over to its server, which closes it; nil if there is none, or if it was handed over before.
    package func take(_ name: String) -> Int32? { descriptors.withLock { $0.removeValue(forKey: name) } }

    private static func address(of descriptor: Int32, named name: String) throws(Problem) -> Address {
        var (listens, kind): (Int32, Int32) = (0, 0)
        var size = socklen_t(MemoryLayout<Int32>.size)
        #if canImport(Glibc)
            let stream = Int32(SOCK_STREAM.rawValue)
        #else
            let stream = SOCK_STREAM
        #endif
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0,
            getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens != 0,
            getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) == 0, kind == stream,
            let address = address(of: descriptor)
        else {
            throw Problem(
                message:
                    "The service manager passed \"\(name)\", which is no listening stream socket. Its unit needs ListenStream=, without Accept=."
            )
        }
        return address
    }

    private static func address(of descriptor: Int32) -> Address? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard getsockname(descriptor, address, &length) == 0 else { return nil }
                guard Int32(address.pointee.sa_family) != AF_UNIX else { return path(storage) }
                var (host, port) = ([CChar](repeating: 0, count: 64), [CChar](repeating: 0, count: 8))
                let isKnown = getnameinfo(
                    address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                    NI_NUMERICHOST | NI_NUMERICSERV)
                guard isKnown == 0, let number = Int(text(port)) else { return nil }
                return .network(host: text(host), port: number)
            }
        }
    }

    private static func path(_ storage: UnsafeMutablePointer<sockaddr_storage>) -> Address {
        storage.withMemoryRebound(to: sockaddr_un.self, capacity: 1) { address in
            withUnsafeBytes(of: &address.pointee.sun_path) {
                .path(String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self))
            }
        }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
