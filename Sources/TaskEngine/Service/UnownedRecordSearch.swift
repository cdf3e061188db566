import ProviderCatalog
package import TaskModel
import TaskStore
import VerbatimJSON

/// A record of the provider that no task owns, from after an older copy of the database was made.
package struct UnownedRecord: Sendable, Hashable {
    package let service: ServiceName
    /// The account whose list shows it.
    package let account: AccountName
    package let remoteID: RemoteTaskID
    /// The time by the provider's clock; nil if its list gives none.
    package let createdAt: Timestamp?
    /// The beginning of the prompt that the list echoes.
    package let prompt: String?
}

/// Searches the providers' lists for records that no task owns. They may belong to tasks that were submitted after the
/// copy was made and that the copy lacks, or to other programs.
struct UnownedRecordSearch: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let limits: EngineLimits
    let admission: AdmissionControl
    let lists: ProviderLists

    /// The records, and the services whose lists could not be read completely.
    func find(
        in mode: RestoredMode
    ) async throws(TaskStoreError) -> (records: [UnownedRecord], unread: [ServiceName]) {
        let known = Set(try await store.counts().map(\.endpoint))
        let providers = Set(known.compactMap { catalog.endpoint($0)?.provider })
        // The copy may be from before the first task of a service.
        let all = catalog.endpoints.filter { providers.contains($0.provider) }
        var records: [UnownedRecord] = []
        var unread = Set(all.filter { known.contains($0.name) && $0.inventory == nil }.map(\.name.service))
        for group in ProviderLists.groups(of: all) {
            let accounts = admission.candidates(for: .unknown, of: group.provider, since: mode.since)
            let reading = await lists.read(group, of: accounts, period(of: mode))
            let isUsed = known.contains { name in group.services.contains(name.service) }
            for (account, list) in reading.lists where !(list?.isComplete ?? false) {
                let canSend = admission.accounts.canSend(
                    by: ProviderAccount(provider: group.provider, account: account))
                if canSend || isUsed { unread.formUnion(group.services) }
            }
            records += try await unowned(in: reading, mode)
        }
        return (records, unread.sorted())
    }

    private func period(of mode: RestoredMode) -> ClosedRange<Timestamp> {
        min(mode.since, mode.at) - limits.clockSkew...mode.at + limits.clockSkew
    }

    private func unowned(
        in reading: ProviderLists.Reading, _ mode: RestoredMode
    ) async throws(TaskStoreError) -> [UnownedRecord] {
        let period = period(of: mode)
        let recent = reading.records.filter { $0.task.createdAt.map(period.contains) ?? true }
        let inventory = try await store.inventory(of: recent.map(\.task.remoteID), in: reading.group.services)
        return recent.filter { inventory.holders[$0.task.remoteID] == nil }.map { record, account in
            UnownedRecord(
                service: reading.group.first.name.service, account: account, remoteID: record.remoteID,
                createdAt: record.createdAt, prompt: record.shownPrompt)
        }
    }
}

extension ListedTask {
    /// The beginning of the prompt that the list echoes.
    var shownPrompt: String? { request["prompt"]?.string.map { String($0.prefix(60)) } }
}
