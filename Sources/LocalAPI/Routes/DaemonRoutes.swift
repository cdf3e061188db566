import EmbeddedFiles
import HTTPTypes
import Hummingbird
import LocalAPIContract
import NIOCore
import TaskEngine
import TaskModel
import VerbatimJSON

/// DaemonRoutes show the status, health and API description of the daemon, back up its database and reload its settings.
struct DaemonRoutes {
    let endpoints: EndpointService
    /// Nil if there is no place for files of results.
    let artefacts: ArtefactService?
    let notifications: NotificationService
    let settings: any SettingsReloading
    let facts: DaemonFacts
    let time: any TimeSource

    private static let openAPI = {
        let file = pollux_openapi_json()
        return ByteBuffer(bytes: UnsafeBufferPointer(start: file.start, count: file.count))
    }()

    func add(to router: Router<APIContext>) {
        router.get(LocalAPIRoute.status.routerPath) { request, _ in
            try request.refuseQuery()
            return Response(json: try await status().json)
        }
        router.post(LocalAPIRoute.backup.routerPath) { request, _ in
            try request.refuseQuery()
            let document = try BackupRequestDocument(json: try await request.json())
            let backup = try await endpoints.backUp(into: document.directory)
            let made = BackupDocument(
                path: backup.path, sizeBytes: Int(backup.sizeInBytes), createdAt: backup.createdAt.rfc3339)
            return Response(.created, json: made.json)
        }
        router.post(LocalAPIRoute.reload.routerPath) { request, _ in
            try request.refuseQuery()
            do throws(ReloadRefusal) {
                let reload = try await settings.reload()
                let document = ReloadDocument(
                    settings: SettingsDocument(reload.settings), changed: reload.changes, warnings: reload.warnings)
                return Response(json: document.json)
            } catch {
                throw Problem(error)
            }
        }
        router.get(LocalAPIRoute.health.routerPath) { _, _ in Response(json: HealthDocument(status: "ok").json) }
        router.get(LocalAPIRoute.readiness.routerPath) { _, _ in
            do throws(TaskServiceError) {
                try await endpoints.checkReadiness()
            } catch {
                throw Problem(.serviceUnavailable, error.code, title: "The daemon is not ready", error.message)
            }
            return Response(json: HealthDocument(status: "ready").json)
        }
        router.get(LocalAPIRoute.description.routerPath) { _, _ in
            Response(
                status: .ok, headers: [.contentType: MediaType.json],
                body: ResponseBody(byteBuffer: Self.openAPI))
        }
    }

    private func status() async throws -> StatusDocument {
        let report = try await endpoints.report()
        var status = StatusDocument()
        status.version = facts.version
        status.pid = facts.pid
        status.startedAt = facts.startedAt.rfc3339
        status.uptimeSeconds = (time.now() - facts.startedAt).inSeconds
        status.tasks = Dictionary(uniqueKeysWithValues: report.counts.map { ($0.key.rawValue, $0.value) })
        status.database = .init(path: report.store.path, sizeBytes: Int(report.store.sizeInBytes))
        status.restored = report.restored?.reason
        status.held = report.held?.message
        status.settings = SettingsDocument(settings.loaded)
        status.socket = facts.socketPath
        status.stateDirectory = facts.stateDirectory
        status.providers = report.providers.map { provider in
            StatusDocument.Provider(
                name: provider.name.text, baseURL: provider.baseURL,
                token: provider.hasToken ? "present" : "missing",
                state: provider.pauseReason == nil ? "open" : "paused",
                reason: provider.pauseReason,
                accounts: provider.accounts.map { account in
                    StatusDocument.Account(
                        name: account.name.text, token: account.hasToken ? "present" : "missing",
                        state: account.pauseReason == nil ? "open" : "paused", reason: account.pauseReason,
                        inFlight: account.inFlight, maxInFlight: account.maxInFlight)
                })
        }
        status.artefacts = try await artefacts?.report().document
        status.destinations = try await notifications.report().map { report in
            StatusDocument.Destination(
                name: report.destination.name.text, state: report.condition.rawValue, reason: report.failure?.reason,
                waiting: report.waiting, dead: report.dead)
        }
        status.callbacks = report.callbacks.map { reading in
            StatusDocument.Callbacks(
                listen: facts.callbackAddress ?? "", publicURL: reading.publicURL,
                deliveries: reading.deliveries, unknownTokens: reading.unknownTokens,
                problem: reading.isSilent
                    ? "\(reading.endedWithout) tasks have ended without a callback. Is the public URL right?"
                    : nil)
        }
        return status
    }
}

extension ArtefactService.Report {
    /// The report as the socket shows it.
    fileprivate var document: StatusDocument.Artefacts {
        var document = StatusDocument.Artefacts()
        document.directory = directory
        document.usedBytes = used.map { Int($0) }
        document.quotaBytes = quota.map { Int($0) }
        document.waiting = waiting
        document.withoutRoom = withoutRoom
        document.problem = problem
        return document
    }
}

extension SettingsDocument {
    fileprivate init(_ settings: LoadedSettings) {
        self.init(digest: settings.digest, loadedAt: settings.loadedAt.rfc3339)
    }
}

extension Problem {
    fileprivate init(_ refusal: ReloadRefusal) {
        switch refusal {
        case .invalid:
            self.init(
                .unprocessableContent, ProblemCode.badSetting, title: "The settings were not reloaded", refusal.message)
        case .notStored(let code, _):
            self.init(.serviceUnavailable, code, title: "The settings were not reloaded", refusal.message)
        case .needsRestart(let names):
            self.init(
                .conflict, ProblemCode.restartNeeded, title: "The settings were not reloaded", refusal.message,
                members: [("settings", .array(names.map { .string($0) }))])
        }
    }
}
