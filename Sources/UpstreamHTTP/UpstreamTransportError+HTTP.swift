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
    /// It does only if no part of the request was written. AsyncHTTPClient reports the head in the event loop turn that
    /// writes it. If `isInOrder`, timeouts and cancellations run on that event loop too, so one that finds the head
    /// unwritten also prevents writing it. Otherwise they can race with that turn and prove nothing.
    ///
    /// An expired lease has kept the body back, so the request is not complete.
    /// `certificate` is the problem with the server's certificate, if that is the reason.
    init(
        translating error: any Error, hasSentHead: Bool, isInOrder: Bool, route: UpstreamClients.Route,
        certificate: String? = nil, maxBytes: Int
    ) {
        if let error = error as? UpstreamTransportError {
            self = error
            return
        }
        let isCancelled = error is CancellationError || (error as? HTTPClientError) == .cancelled
        if !hasSentHead, isInOrder || !isCancelled && !Self.isTimeout(error) {
            self = .notSent(
                isCancelled ? "it was cancelled before it was sent" : certificate ?? Self.reason(for: error, on: route))
        } else if isCancelled {
            self = .cancelled
        } else if error is ReplyCollector.ReplyTooLarge {
            self = .tooLarge(maxBytes: maxBytes)
        } else {
            self = .interrupted(Self.reason(for: error))
        }
    }

    private static func isTimeout(_ error: any Error) -> Bool {
        guard let error = error as? HTTPClientError else { return false }
        return [.deadlineExceeded, .readTimeout, .writeTimeout].contains(error)
    }

    /// BoringSSL's reason. The rest of its text contains source file names.
    private static func tlsReason(for error: NIOSSLError) -> String {
        let text = "\(error)"
        let reason = text.firstMatch(of: /OPENSSL_internal:([A-Z0-9_]+)/).map {
            $0.1.lowercased().replacing("_", with: " ")
        }
        return "TLS failed: \(reason ?? String(text.prefix { $0 != "(" }))"
    }

    /// Why no connection was made. Names the proxy, if any.
    private static func reason(for error: any Error, on route: UpstreamClients.Route) -> String {
        switch route {
        case .direct: reason(for: error)
        case .tunnel(let proxy), .forwarding(let proxy):
            "no connection through the proxy \(proxy.description): \(reason(for: error))"
        }
    }

    /// Why no reply came, in words.
    package static func reason(for error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: reason(for: error)
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason(for: $0.error) } ?? "no address of \(error.host) could be reached"
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as NIOSSLError: tlsReason(for: error)
        case is BoringSSLError:
            """
            TLS cannot be set up. Does this machine have a list of certificate authorities (ca-certificates)? \
            `upstream.ca_file` names one
            """
        case let error as SpillQueue.Unreadable:
            "the temporary file with the reply cannot be read: \(String(cString: strerror(error.code)))"
        default: Self.text(of: error)
        }
    }

    /// The description, unless it contains the name of a source file.
    private static func text(of error: any Error) -> String {
        let text = "\(error)"
        return text.contains("/") || text.contains(".swift") ? "\(type(of: error))" : text
    }

    private static func reason(for error: HTTPClientError) -> String {
        switch error {
        case .deadlineExceeded, .connectTimeout, .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout,
            .socksHandshakeTimeout:
            "no reply within the timeout"
        case .invalidProxyResponse: "it rejected the request"
        case .proxyAuthenticationRequired: "it rejected the credentials"
        default: error.shortDescription
        }
    }
}
