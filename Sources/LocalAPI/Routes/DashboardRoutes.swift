import Hummingbird
import LocalAPIContract
package import TaskModel

/// Lets people into the dashboard.
package protocol DashboardOpening: Sendable {
    /// Makes an address that lets one browser in, once. The dashboard begins to listen if it does not yet.
    func open(isReadOnly: Bool) async throws(DashboardRefusal) -> DashboardLogin
}

/// An address that lets one browser into the dashboard, once.
package struct DashboardLogin: Sendable, Hashable {
    package let url: String
    package let isReadOnly: Bool
    package let expiresAt: Timestamp

    package init(url: String, isReadOnly: Bool, expiresAt: Timestamp) {
        self.url = url
        self.isReadOnly = isReadOnly
        self.expiresAt = expiresAt
    }
}

/// Why the dashboard was not opened.
package enum DashboardRefusal: Error, Sendable, Hashable {
    /// It cannot listen; a whole sentence.
    case cannotListen(String)
    /// The daemon is stopping.
    case stopping
}

/// DashboardRoutes open the dashboard.
struct DashboardRoutes {
    let dashboard: any DashboardOpening

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.dashboardLogins.routerPath) { request, _ in
            try request.refuseQuery()
            let document = try DashboardLoginRequestDocument(json: try await request.json())
            do throws(DashboardRefusal) {
                let login = try await dashboard.open(isReadOnly: document.readOnly)
                let made = DashboardLoginDocument(
                    url: login.url, readOnly: login.isReadOnly, expiresAt: login.expiresAt.rfc3339)
                return Response(.created, json: made.json)
            } catch {
                throw Problem(error)
            }
        }
    }
}

extension Problem {
    fileprivate init(_ refusal: DashboardRefusal) {
        switch refusal {
        case .cannotListen(let message):
            self.init(
                .serviceUnavailable, "dashboard_cannot_listen", title: "The dashboard was not opened", message)
        case .stopping:
            self.init(
                .serviceUnavailable, ProblemCode.notReady, title: "The daemon is stopping",
                "The daemon is stopping, so the dashboard was not opened. Open it once the daemon has started.")
        }
    }
}
