import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// Compares the providers' lists with the tasks.
struct ReconcileRoutes {
    let reconciliation: ReconcileService

    /// The maximum number of orphans, of ghosts and of price differences in a document.
    private static let most = 500

    func add(to router: Router<APIContext>) {
        router.post(LocalAPIRoute.reconcile.routerPath) { request, _ in
            try request.refuseQuery()
            let document = try ReconcileRequestDocument(json: try await request.json())
            let since = try document.since.map { text throws(ContractError) -> Timestamp in
                guard let time = Timestamp(rfc3339: text) else {
                    throw .invalidValue(field: "since", rule: "must be a time as in RFC 3339")
                }
                return time
            }
            let report = try await reconciliation.run(
                since: since, provider: document.provider, adopts: document.adopt)
            return Response(json: ReconcileDocument(report, most: Self.most).json)
        }
    }
}

extension ReconcileDocument {
    fileprivate init(_ report: ReconcileReport, most: Int) {
        self.init()
        since = report.since.rfc3339
        began = report.began.rfc3339
        complete = report.isComplete
        agrees = report.agrees
        known = report.known
        inFlight = report.inFlight
        orphanCount = report.orphans.count
        orphans = report.orphans.prefix(most).map(Orphan.init)
        ghostCount = report.ghosts.count
        ghosts = report.ghosts.prefix(most).map(Ghost.init)
        priceDifferenceCount = report.priceDifferences.count
        priceDifferences = report.priceDifferences.prefix(most).map(PriceDifference.init)
        unjudged = report.unjudged
        lists = report.lists.map(List.init)
    }
}

extension ReconcileDocument.Orphan {
    fileprivate init(_ orphan: ReconcileReport.Orphan) {
        self.init()
        provider = orphan.provider.text
        account = orphan.account.text
        remoteID = orphan.remoteID.text
        createdAt = orphan.createdAt?.rfc3339
        prompt = orphan.prompt
        endpoint = orphan.endpoint?.text
        uncertain = orphan.uncertain.map(\.text)
        task = orphan.task?.text
        problem = orphan.problem
    }
}

extension ReconcileDocument.Ghost {
    fileprivate init(_ ghost: ReconcileReport.Ghost) {
        self.init()
        task = ghost.task.text
        endpoint = ghost.endpoint.text
        account = ghost.account.text
        remoteID = ghost.remoteID.text
        state = ghost.state.rawValue
        submittedAt = ghost.submittedAt.rfc3339
    }
}

extension ReconcileDocument.PriceDifference {
    fileprivate init(_ difference: ReconcileReport.PriceDifference) {
        self.init()
        task = difference.task.text
        attempt = difference.attempt
        account = difference.account.text
        remoteID = difference.remoteID.text
        recorded = AmountDocument(difference.recorded)
        counted = difference.counted.map { AmountDocument($0) }
        settled = difference.isSettled
    }
}

extension ReconcileDocument.List {
    fileprivate init(_ list: ReconcileReport.List) {
        self.init()
        provider = list.provider.text
        account = list.account?.text
        services = list.services.map(\.text)
        condition = list.condition.rawValue
        records = list.records
    }
}
