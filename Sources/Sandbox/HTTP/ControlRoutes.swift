import Hummingbird
import Logging

/// The sandbox's control routes. They need no token.
struct ControlRoutes: Sendable {
    let provider: SimulatedProvider
    let logger: Logger

    func add(to router: Router<SandboxContext>) {
        router.get("/") { _, _ in Response.text(IndexPage.text) }
        let group = router.group("sandbox")
        group.get("ledger") { _, _ in Response.json(provider.ledger.document) }
        group.get("stats") { _, _ in Response.json(provider.statistics.document) }
        group.post("faults") { request, _ in try await replaceFaults(request) }
        group.post("revoke") { request, _ in
            var request = request
            provider.revoke(String(decoding: try await request.bodyBytes(), as: UTF8.self))
            logger.info("Token revoked")
            return Response.json(["revoked": true])
        }
        group.post("forget") { request, _ in
            var request = request
            provider.forget(String(decoding: try await request.bodyBytes(), as: UTF8.self))
            logger.info("Task deleted")
            return Response.json(["forgotten": true])
        }
        group.post("reset") { _, _ in
            provider.reset()
            logger.info("State reset")
            return Response.json(["reset": true])
        }
    }

    private func replaceFaults(_ request: Request) async throws -> Response {
        var request = request
        let text = String(decoding: try await request.bodyBytes(), as: UTF8.self)
        do throws(FaultPlanError) {
            provider.replaceFaults(with: try FaultPlan(parsing: text))
        } catch {
            return .text("\(error)\n\n\(FaultPlan.help)\n", status: .badRequest)
        }
        logger.info("Faults replaced", metadata: ["faults": "\(text)"])
        return .json(["faults": .string(text)])
    }
}
