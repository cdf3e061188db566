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
    /// event loop in which it is written. A time-out and a cancellation come from outside and may cross with that turn,
    /// so they leave it open, as everything else does once the head is out.
    init(translating error: any Error, hasSentHead: Bool) {
        if error is CancellationError || (error as? HTTPClientError) == .cancelled {
            self = .cancelled
        } else if !hasSentHead, !Self.isFromOutside(error) {
            self = .notSent(Self.words(for: error))
        } else {
            self = .interrupted(Self.words(for: error))
        }
    }

    private static func isFromOutside(_ error: any Error) -> Bool {
        guard let error = error as? HTTPClientError else { return false }
        return [.deadlineExceeded, .readTimeout, .writeTimeout].contains(error)
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: error.shortDescription
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { words(for: $0.error) } ?? "no address of \(error.host) could be reached"
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case is ReplyCollector.ReplyTooLarge: "the reply is larger than is taken"
        case let error as SpillQueue.Unreadable:
            "the temporary file with the reply cannot be read: \(String(cString: strerror(error.code)))"
        default: "\(error)"
        }
    }
}
