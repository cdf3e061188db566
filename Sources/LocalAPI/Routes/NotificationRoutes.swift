import Hummingbird
import LocalAPIContract
import TaskEngine
import TaskModel
import VerbatimJSON

/// NotificationRoutes show the destinations of notifications, test them, and have events sent once more.
struct NotificationRoutes {
    let service: TaskService
    let notifications: NotificationService

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.notifications.routerPath) { request, _ in
            try request.refuseQuery()
            let page = DestinationPage(destinations: try await notifications.report().map { DestinationDocument($0) })
            return Response(json: page.json)
        }
        router.get(LocalAPIRoute.deadLetters.routerPath) { request, _ in
            try request.refuseQuery()
            let page = DeadLetterPage(deadLetters: try await notifications.dead().map { DeadLetterDocument($0) })
            return Response(json: page.json)
        }
        router.post(LocalAPIRoute.replay.routerPath) { request, context in
            try request.refuseQuery()
            let name = try context.parameters.require("name")
            let selection = try await selection(try ReplayRequestDocument(json: try await request.json()))
            let events = try await notifications.replay(selection, to: name)
            return Response(json: ReplayDocument(destination: name, events: events).json)
        }
        router.post(LocalAPIRoute.testDestination.routerPath) { request, context in
            try request.refuseQuery()
            let name = try context.parameters.require("name")
            var document = DeliveryTestDocument(destination: name, delivered: true)
            if let failure = try await notifications.test(name) {
                document.delivered = false
                document.status = failure.status
                document.reason = failure.reason
                document.answer = failure.answer
            }
            return Response(json: document.json)
        }
    }

    private func selection(_ document: ReplayRequestDocument) async throws -> NotificationService.Selection {
        switch document {
        case .task(let text): return .task(try await service.id(of: text))
        case .dead: return .dead
        case .since(let text):
            guard let time = Timestamp(rfc3339: text) else {
                throw ContractError.invalidValue(
                    field: "since", rule: "must be a time in RFC 3339, as in 2026-11-23T14:05:09Z")
            }
            return .since(time)
        }
    }
}

extension DestinationDocument {
    fileprivate init(_ report: NotificationService.Report) {
        let destination = report.destination
        self.init(name: destination.name.text, target: destination.shownTarget, state: report.condition.rawValue)
        events = NotificationType.allCases.filter { destination.types.contains($0) }.map(\.text)
        endpoints = destination.endpoints
        labels = destination.labels
        include = Destination.Part.allCases.filter { destination.parts.contains($0) }.map(\.rawValue)
        signed = !destination.secrets.isEmpty
        closedAt = report.closedAt?.rfc3339
        notBefore = report.notBefore?.rfc3339
        waiting = report.waiting
        dead = report.dead
        behind = Int(report.behind)
        lastFailure = report.failure.flatMap { failure in
            failure.at.map { Failure(at: $0.rfc3339, status: failure.status, reason: failure.reason) }
        }
    }
}

extension DeadLetterDocument {
    fileprivate init(_ letter: NotificationService.DeadLetter) {
        self.init()
        destination = letter.destination.text
        sequence = Int(letter.sequence)
        taskID = letter.task?.text
        type = letter.type.text
        at = letter.at.rfc3339
        attempts = letter.attempts
        triedAt = letter.failure?.at?.rfc3339
        status = letter.failure?.status
        reason = letter.failure?.reason
        answer = letter.failure?.answer
    }
}
