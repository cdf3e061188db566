import HTTPServing
import HTTPTypes
import Hummingbird
import HummingbirdCore
import LocalAPIContract
package import Logging
package import NIOCore
package import ServiceLifecycle
package import TaskEngine
import TaskModel

/// MetricsRoutes show the metrics to Prometheus.
struct MetricsRoutes {
    let metrics: MetricsService
    let facts: DaemonFacts

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.metrics.routerPath) { _, _ in
            let text = (await metrics.families() + daemon).text
            return Response(
                status: .ok, headers: [.contentType: MediaType.metrics],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
    }

    /// What is known of the process.
    private var daemon: [MetricFamily] {
        var build = MetricFamily("pollux_build_info", .gauge, "1, with the version as label.")
        build.add(1, ("version", facts.version))
        return [
            build,
            MetricFamily(
                "pollux_start_time_seconds", .gauge, "When the daemon was started, in seconds since 1970.",
                facts.startedAt.unixSeconds),
        ]
    }
}

/// Answers requests for anything else.
private struct OnlyMetrics: RouterMiddleware {
    func handle(
        _ request: Request, context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as any HTTPResponseError {
            return Response(
                status: error.status, headers: [.contentType: "text/plain; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: "Only GET /metrics is answered here.\n")))
        }
    }
}

extension LocalAPI {
    /// Creates the server that shows the metrics, and nothing else, at a network address.
    ///
    /// `inherited` is the listening socket if it is open already. `onRunning` is called with the port once it accepts
    /// connections.
    package static func metricsServer(
        metrics: MetricsService, facts: DaemonFacts, host: String, port: Int, time: any TimeSource,
        eventLoopGroup: any EventLoopGroup, logger: Logger, inherited: CInt? = nil,
        onRunning: @escaping @Sendable (Int) async -> Void
    ) -> some Service {
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: OnlyMetrics())
        MetricsRoutes(metrics: metrics, facts: facts).add(to: router)
        let connections = SocketConnections(limit: 32)
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: "pollux/\(facts.version)",
                availableConnectionsDelegate: connections.delegate),
            onServerRunning: { channel in
                connections.begin(channel)
                await onRunning(channel.localAddress?.port ?? port)
            }, eventLoopGroupProvider: .shared(eventLoopGroup), logger: quiet)
        return HTTPService(application, channels: http, inherited: inherited) { Int(time.now().milliseconds / 1_000) }
    }
}
