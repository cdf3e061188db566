import AsyncHTTPClient
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1

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

/// Measures the limit of the gateway: a Hummingbird route that passes each request on to the provider and does nothing else.
enum BareProxy {
    static func run(port: Int, provider: String) async throws {
        let router = Router()
        router.post("/**") { request, _ in
            var passed = HTTPClientRequest(url: provider + request.uri.path)
            passed.method = .POST
            passed.headers.add(name: "Content-Type", value: "application/json")
            passed.body = .bytes(try await request.body.collect(upTo: 1 << 20))
            let reply = try await HTTPClient.shared.execute(passed, timeout: .seconds(30))
            let body = try await reply.body.collect(upTo: 1 << 20)
            return Response(
                status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: body))
        }
        var logger = Logger(label: "bare")
        logger.logLevel = .error
        try await Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
            logger: logger
        ).runService()
    }
}
