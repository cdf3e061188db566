import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel

/// Shows and accepts a database that is an older copy.
struct RestoreRoutes {
    let restores: RestoreService

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.restore.routerPath) { request, _ in
            try request.refuseQuery()
            return Response(json: RestoreDocument(try await restores.fullReport()).json)
        }
        router.post(LocalAPIRoute.restore.routerPath) { request, _ in
            try request.refuseQuery()
            switch try RestoreDecisionDocument(json: try await request.json()) {
            case .accept:
                let count = try await restores.accept()
                var document = RestoreDocument(try await restores.report())
                document.resubmitted = count
                return Response(json: document.json)
            case .since(let text):
                guard let since = Timestamp(rfc3339: text) else {
                    throw ContractError.invalidValue(field: "since", rule: "must be a time as in RFC 3339")
                }
                return Response(json: RestoreDocument(try await restores.move(since: since)).json)
            case .without(let machines):
                return Response(json: RestoreDocument(try await restores.giveUpJournals(of: machines)).json)
            }
        }
    }
}

extension RestoreDocument {
    /// The report as a document; nil means that the database is not a copy.
    fileprivate init(_ report: RestoreService.Report?) {
        self.init()
        guard let report else { return }
        restored = true
        reason = report.mode.reason
        since = report.mode.since.rfc3339
        noticedAt = report.mode.at.rfc3339
        uncertain = report.uncertain.map { task in
            Uncertain(
                id: task.id.text, endpoint: task.endpoint.description,
                possible: task.attempt?.possibleIDs.map(\.text).joined(separator: " ") ?? "")
        }
        awaited = report.mode.journals.map { $0.awaited.map(\.name) }
        queued = report.queued
        unowned = report.unowned.map { record in
            Unowned(
                service: record.service.text, account: record.account.text, remoteID: record.remoteID.text,
                createdAt: record.createdAt?.rfc3339, prompt: record.prompt)
        }
        unread = report.unread.map(\.text).joined(separator: " ")
    }
}
