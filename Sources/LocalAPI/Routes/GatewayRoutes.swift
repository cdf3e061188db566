import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// GatewayRoutes show the gateway, and make and remove its tokens.
struct GatewayRoutes {
    let gateway: GatewayService
    /// The address of the gateway as a URL; nil if it is off.
    let address: String?

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.gateway.routerPath) { request, _ in
            try request.refuseQuery()
            return Response(json: document().json)
        }
        router.post(LocalAPIRoute.gatewayTokens.routerPath) { request, _ in
            try request.refuseQuery()
            let name = try GatewayTokenRequestDocument(json: try await request.json()).name
            let token = try await gateway.tokens.add(name)
            return Response(.created, json: GatewayTokenDocument(name: name, token: token).json)
        }
        router.post(LocalAPIRoute.gatewayTokenRemoval.routerPath) { request, context in
            try request.refuseQuery()
            try await gateway.tokens.remove(try context.parameters.require("name"))
            return Response(json: document().json)
        }
    }

    private func document() -> GatewayDocument {
        var document = GatewayDocument()
        document.url = address
        document.tokens = gateway.tokens.all.map { .init(name: $0.name, createdAt: $0.createdAt.rfc3339) }
        document.providers = gateway.providers(at: address ?? "").map { provider in
            .init(name: provider.name.text, url: provider.url, environment: provider.environment)
        }
        return document
    }
}
