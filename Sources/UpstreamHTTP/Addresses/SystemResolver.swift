import NIOPosix
import Text

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// SystemResolver resolves names as other programs of this machine do, with `getaddrinfo`.
package enum SystemResolver {
    /// `getaddrinfo` may block for a minute, so it has threads that nothing else uses.
    private static let threads = {
        let threads = NIOThreadPool(numberOfThreads: 4)
        threads.start()
        return threads
    }()

    /// The addresses of the name in the system's order; none if it cannot be resolved.
    package static let lookUp: AddressCheck.LookUp = { name in
        (try? await threads.runIfActive { addresses(of: name) }) ?? []
    }

    private static func addresses(of name: String) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = SOCK_STREAM.number
        var first: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &first) == 0 else { return [] }
        defer { freeaddrinfo(first) }
        return sequence(first: first) { $0?.pointee.ai_next }.compactMap { entry in
            guard let entry = entry?.pointee else { return nil }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard
                getnameinfo(
                    entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { return nil }
            // A link-local address has a zone behind a percent sign.
            let bytes = text.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "%")) }.map { UInt8(bitPattern: $0) }
            return IPAddress(String(decoding: bytes, as: UTF8.self))
        }
    }
}

#if canImport(Glibc)
    extension __socket_type {
        fileprivate var number: CInt { CInt(rawValue) }
    }
#else
    extension CInt {
        fileprivate var number: CInt { self }
    }
#endif
