import AsyncHTTPClient
import BoundedMemory
import NIOCore
import NIOPosix
import NIOSSL
import ProviderCatalog
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension UpstreamTransportError {
    /// Decides whether a failed exchange proves that nothing was sent.
    ///
    /// It does only if no part of the request was written: AsyncHTTPClient tells of the head in the same turn of the
    /// event loop in which it is written. Where `isInOrder`, time-outs and cancellations happen on that event loop too, so
    /// that one which finds the head unwritten keeps it so. Elsewhere they may cross with that turn and prove nothing.
    init(
        translating error: any Error, hasSentHead: Bool, isInOrder: Bool, way: UpstreamClients.Way, maxBytes: Int
    ) {
        let isCancelled = error is CancellationError || (error as? HTTPClientError) == .cancelled
        if !hasSentHead, isInOrder || !isCancelled && !Self.isFromOutside(error) {
            self = .notSent(isCancelled ? "it was stopped before it was sent" : Self.words(for: error, on: way))
        } else if isCancelled {
            self = .cancelled
        } else if error is ReplyCollector.ReplyTooLarge {
            self = .tooLarge(maxBytes: maxBytes)
        } else {
            self = .interrupted(Self.words(for: error))
        }
    }

    private static func isFromOutside(_ error: any Error) -> Bool {
        guard let error = error as? HTTPClientError else { return false }
        return [.deadlineExceeded, .readTimeout, .writeTimeout].contains(error)
    }

    /// BoringSSL's word for the reason; the rest of its text names the files of its sources as they were built.
    private static func tlsWords(for error: NIOSSLError) -> String {
        let text = "\(error)"
        let reason = text.firstMatch(of: /OPENSSL_internal:([A-Z0-9_]+)/).map {
            $0.1.lowercased().replacing("_", with: " ")
        }
        return "TLS failed: \(reason ?? String(text.prefix { $0 != "(" }))"
    }

    /// Why there was no connection; names the proxy, where there is one.
    private static func words(for error: any Error, on way: UpstreamClients.Way) -> String {
        switch way {
        case .straight: words(for: error)
        case .tunnel(let proxy), .forwarding(let proxy):
            "the proxy \(proxy.description) made no connection: \(words(for: error))"
        }
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: words(for: error)
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { words(for: $0.error) } ?? "no address of \(error.host) could be reached"
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as NIOSSLError: tlsWords(for: error)
        case let error as SpillQueue.Unreadable:
            "the temporary file with the reply cannot be read: \(String(cString: strerror(error.code)))"
        default: "\(error)"
        }
    }

    private static func words(for error: HTTPClientError) -> String {
        switch error {
        case .deadlineExceeded, .connectTimeout, .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout,
            .socksHandshakeTimeout:
            "no answer within the time allowed"
        case .invalidProxyResponse: "it refused"
        case .proxyAuthenticationRequired: "it wants other credentials"
        default: error.shortDescription
        }
    }
}
