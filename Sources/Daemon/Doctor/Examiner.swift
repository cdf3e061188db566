package import LocalAPIContract
import LocalAPI
import NIOCore
import ProviderCatalog
import SQLiteDriver
import TaskEngine
import TaskModel
import TaskStore

/// Examiner carries out all checks of `pollux doctor` in the running daemon.
struct Examiner: Sendable {
    let configuration: Reloadable<Configuration>
    let flags: DaemonFlags
    let environment: [String: String]
    let engine: TaskEngine
    let listeners: Listeners
    let time: SystemTimeSource
    let group: any EventLoopGroup

    func findings() async -> [Finding] {
        let current = configuration.current
        let addresses = ListenerExamination(
            settings: current.settings, connections: current.connections,
            unknownTokens: { (try? await engine.endpoints.report().callbacks?.unknownTokens) ?? 0 }, time: time,
            group: group)
        let files = FileExamination(
            settings: current.settings, isRunning: true,
            inherited: Set(Listeners.Name.allCases.filter(listeners.isInherited)))
        return settings(since: current) + files.findings
            + (await engine.examination.findings()) + (await addresses.findings())
    }

    /// Whether the settings on disk are valid, and are those in use.
    private func settings(since current: Configuration) -> [Finding] {
        let next: Configuration
        do throws(DaemonError) {
            next = try Configuration(flags: flags, environment: environment, at: time.now(), after: current)
        } catch {
            return [
                Finding(
                    .settings, .trouble,
                    "\(error.message.sentence) The daemon keeps its former settings, but the next reload or start fails. Correct that, then run pollux reload."
                )
            ]
        }
        let needs = next.restartNeeds(from: current)
        let changes = next.changes(from: current).filter { !needs.contains($0) }
        var findings = next.settings.warnings.map { Finding(.settings, .trouble, $0) }
        if !needs.isEmpty {
            findings.append(
                Finding(
                    .settings, .trouble,
                    "\(needs.joined(separator: ", ")) changed on disk and needs a restart, so the daemon does not use it, and reloads fail until then. Start the daemon again."
                ))
        } else if !changes.isEmpty {
            findings.append(
                Finding(
                    .settings, .trouble,
                    "\(changes.joined(separator: ", ")) changed on disk, and the daemon does not use it yet. Run pollux reload."
                ))
        }
        return findings.isEmpty ? [Finding(.settings, .ok, "The settings are valid and in use.")] : findings
    }
}

extension Daemon {
    /// Checks what can be checked while no daemon answers: settings, files, disks and the database.
    package static func examine(flags: DaemonFlags, environment: [String: String]) async -> DoctorDocument {
        let environment = environment.withoutBlanks
        var findings: [Finding] = []
        var settings: DaemonSettings?
        do throws(DaemonError) {
            let configuration = try Configuration(
                flags: flags, environment: environment, at: SystemTimeSource().now())
            settings = configuration.settings
            findings += configuration.settings.warnings.map { Finding(.settings, .trouble, $0) }
            if findings.isEmpty { findings.append(Finding(.settings, .ok, "The settings are valid.")) }
            if configuration.providers.tokens.isEmpty {
                findings.append(
                    Finding(
                        .account, .trouble,
                        "No token is set here, so tasks would wait in the queue. Set XHUOAPI_TOKEN_FILE or providers.NAME.token_file."
                    ))
            }
        } catch {
            findings.append(
                Finding(
                    .settings, .trouble, "\(error.message.sentence) The daemon does not start with that. Correct it."))
            settings = try? SettingsLoader.load(flags: flags, environment: environment)
        }
        guard let settings else {
            let what = "Files, disk and database were not checked, because the settings that name them cannot be read."
            return DoctorDocument(findings + [Finding(.files, .unchecked, what)])
        }
        findings += FileExamination(settings: settings, isRunning: false).findings
        if settings.store == nil {
            findings.append(await database(in: settings.stateDirectory))
        } else {
            let what = "The store is PostgreSQL. The daemon connects to it at its start, and says what is wrong there."
            findings.append(Finding(.database, .unchecked, what))
        }
        let rest = "Only the running daemon can check this: it has the tokens, and it listens."
        findings += ([.account, .clock] as [Finding.Check]).map { Finding($0, .unchecked, rest) }
        findings += settings.destinations.map { Finding(.destination, $0.name.text, .unchecked, rest) }
        if let url = settings.callbacks.publicURL { findings.append(Finding(.callbacks, url, .unchecked, rest)) }
        if let url = settings.gateway.url { findings.append(Finding(.gateway, url, .unchecked, rest)) }
        return DoctorDocument(findings)
    }

    private static func database(in directory: String) async -> Finding {
        guard !InstanceLock.isHeld(directory + "/pollux.lock") else {
            return Finding(
                .database, .trouble,
                "A daemon has the state directory \(directory), but its socket does not answer: it is starting, or it hangs. Read its log, and end it if nothing changes there."
            )
        }
        do throws(TaskStoreError) {
            let exists = try await SQLiteDriver.examine(path: directory + "/pollux.sqlite")
            return Finding(
                .database, .ok,
                exists ? "The database is sound." : "There is no database yet. The first start makes one.")
        } catch {
            return Finding(
                .database, .trouble,
                "\(error.message.sentence) The daemon does not start with that: see docs/troubleshooting.md, \"Storage\"."
            )
        }
    }
}
