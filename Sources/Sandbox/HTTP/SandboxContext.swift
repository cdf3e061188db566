import Hummingbird
import NIOCore

/// A request context with its connection, because some faults act on the connection.
struct SandboxContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// The bearer token, set by `Authorization`.
    var token = ""

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}
