import ProviderCatalog
import TaskModel
import TaskStore

/// EngineExamination checks what a running daemon works with: database, accounts, files of results, destinations.
///
/// It sends free requests only: a reading of each account's list, and a test to each destination.
package struct EngineExamination: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let hold: StartHold
    let accounts: AccountExamination
    let notifications: NotificationService
    /// Whether files of results are fetched.
    @Current var capture: ArtefactSettings
    /// Nil if there is no place for files of results.
    let artefacts: ArtefactService?

    package func findings() async -> [Finding] {
        [await database()] + mode() + (await accounts.findings(of: catalog)) + (await files())
            + (await destinations())
    }

    private func database() async -> Finding {
        switch await store.condition() {
        case .sound: Finding(.database, .ok, "The database is sound and can be written to." + (await standby()))
        case .beingChecked:
            Finding(
                .database, .unchecked,
                "The pages of the database are still being read. Nothing paid is sent until then.")
        case .failed(let error):
            Finding(
                .database, .trouble,
                "\(error.message) Nothing is stored or sent until that is repaired: see docs/troubleshooting.md, \"Storage\"."
            )
        }
    }

    /// What the loss of the database server would cost; empty for a file.
    private func standby() async -> String {
        switch try? await store.info().waitsForStandby {
        case true?: " Each commit waits for a synchronous standby."
        case false?:
            " It has no synchronous standby: if its machine is lost, so are the last commits, and what they paid for is found only in the providers' lists (docs/several-machines.md)."
        case nil: ""
        }
    }

    /// What holds back all paid requests.
    private func mode() -> [Finding] {
        var findings: [Finding] = []
        if let mode = hold.mode {
            findings.append(
                Finding(
                    .daemon, .trouble,
                    "\(mode.reason.sentence) Nothing paid is sent until you decide: pollux restore shows what was found and how to go on."
                ))
        }
        if let reason = hold.requestedHold {
            findings.append(
                Finding(.daemon, .trouble, "\(reason.message.sentence) Its tasks wait. pollux resume --all ends that."))
        }
        return findings
    }

    private func files() async -> [Finding] {
        do throws(TaskServiceError) {
            guard capture.isOn, let report = try await artefacts?.report() else { return [] }
            guard let used = report.used, let quota = report.quota else {
                return [
                    Finding(
                        .artefacts, report.directory, .trouble,
                        "The directory of files of results cannot be read, so none is fetched. Make \(report.directory) a directory of this user."
                    )
                ]
            }
            if report.withoutRoom > 0 {
                return [
                    Finding(
                        .artefacts, report.directory, .trouble,
                        "\(report.withoutRoom) files of results have no room, and their addresses may expire. Make room on the disk, or raise artefacts.quota and run pollux reload."
                    )
                ]
            }
            return [
                Finding(.artefacts, report.directory, .ok, "The files of results have \(used) of \(quota) bytes.")
            ]
        } catch {
            return [Finding(.artefacts, .unchecked, "The files of results were not checked: \(error.message)")]
        }
    }

    private func destinations() async -> [Finding] {
        var findings: [Finding] = []
        for destination in notifier.destinations where destination.canBeTested {
            findings.append(await finding(about: destination))
        }
        return findings
    }

    private var notifier: Notifier { notifications.notifier }

    private func finding(about destination: Destination) async -> Finding {
        let name = destination.name.text
        do throws(TaskServiceError) {
            guard let failure = try await notifications.test(name) else {
                return Finding(.destination, name, .ok, "It took a test.")
            }
            return Finding(
                .destination, name, .trouble,
                "It did not take a test: \(failure.reason.sentence) Its events wait, and after about two days become dead letters. Repair the receiver at \(destination.shownTarget), then run pollux notifications test \(name)."
            )
        } catch {
            return Finding(.destination, name, .unchecked, "It was not tested: \(error.message)")
        }
    }
}

extension Destination {
    /// Whether the settings name one receiver.
    fileprivate var canBeTested: Bool {
        switch target {
        case .url, .socket, .program: true
        case .taskURLs, .callbacks: false
        }
    }
}
