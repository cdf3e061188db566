import Hummingbird
package import LocalAPIContract
package import TaskEngine
import VerbatimJSON

/// DoctorRoutes check the daemon and its surroundings.
struct DoctorRoutes {
    let examine: @Sendable () async -> [Finding]

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.doctor.routerPath) { request, _ in
            try request.refuseQuery()
            return Response(json: DoctorDocument(await examine()).json)
        }
    }
}

extension DoctorDocument {
    /// The findings as the socket shows them.
    package init(_ findings: [Finding]) {
        self.init(
            checks: findings.map { finding in
                Check(
                    check: finding.check.rawValue, subject: finding.subject, result: finding.result.rawValue,
                    message: finding.message)
            })
    }
}
