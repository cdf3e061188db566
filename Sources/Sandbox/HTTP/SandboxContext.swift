import Hummingbird
import NIOCore

/// A request's context that knows its connection, since some faults are done to the connection itself.
struct SandboxContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// The bearer token, once `Authorization` has let the request in.
    var token = ""

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}
