import Hummingbird
import Logging
import NIOCore

/// Measures the limit of the socket: a Hummingbird route that returns the request's body and does nothing else.
enum BareServer {
    static func run(socket: String) async throws {
        let router = Router()
        router.post("/echo") { request, _ in
            let body = try await request.body.collect(upTo: 1 << 20)
            return Response(
                status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: body))
        }
        var logger = Logger(label: "bare")
        logger.logLevel = .error
        try await Application(
            router: router, configuration: ApplicationConfiguration(address: .unixDomainSocket(path: socket)),
            logger: logger
        ).runService()
    }
}
