import Logging
import ProviderCatalog
import Synchronization
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
    let sender: QuerySender
    let time: any TimeSource
    let logger: Logger

    /// The records, and the services whose lists could not be read completely.
    func find(
        in mode: RestoredMode
    ) async throws(TaskStoreError) -> (records: [UnownedRecord], unread: [ServiceName]) {
        let known = Set(try await store.counts().map(\.endpoint))
        let providers = Set(known.compactMap { catalog.endpoint($0)?.provider })
        // The copy may be from before the first task of a service.
        let all = catalog.endpoints.filter { providers.contains($0.provider) }.sorted { $0.name < $1.name }
        var waiting = all.filter { $0.listing != nil }
        var records: [UnownedRecord] = []
        var unread = Set(all.filter { known.contains($0.name) && $0.listing == nil }.map(\.name.service))
        while let profile = waiting.first {
            waiting.removeAll { $0.sharesLookup(with: profile) || $0.name == profile.name }
            let service = profile.name.service
            // Two accounts may belong to one user and show the same list.
            var listed: [(task: ListedTask, account: AccountName)] = []
            var shown: Set<RemoteTaskID> = []
            let accounts = admission.candidates(for: .unknown, of: profile.provider, since: mode.since)
            for account in accounts {
                let endpoint = AccountEndpoint(profile, of: account)
                guard admission.accounts.canSend(by: endpoint.owner) else {
                    if known.contains(where: { $0.service == service }) { unread.insert(service) }
                    continue
                }
                let list = await read(of: endpoint, in: mode)
                if list?.isComplete != true { unread.insert(service) }
                listed += (list?.tasks ?? []).filter { shown.insert($0.remoteID).inserted }.map { ($0, account) }
            }
            records += try await unowned(among: listed, of: service, in: mode)
        }
        return (records, unread.sorted())
    }

    private func period(of mode: RestoredMode) -> ClosedRange<Timestamp> {
        min(mode.since, mode.at) - limits.clockSkew...mode.at + limits.clockSkew
    }

    private func read(of endpoint: AccountEndpoint, in mode: RestoredMode) async -> FetchedList? {
        let period = period(of: mode)
        guard let list = endpoint.profile.listing, admission.breakers.block(endpoint.polls, at: time.now()) == nil,
            await admission.waitForQuerySlot(of: endpoint)
        else { return nil }
        let reading = await ProviderListFetcher(
            limits: limits, admission: admission, sender: sender, time: time, logger: logger, endpoint: endpoint,
            list: list
        ).read(from: period.lowerBound, to: period.upperBound)
        if case .read(let list) = reading { return list }
        return nil
    }

    private func unowned(
        among listed: [(task: ListedTask, account: AccountName)], of service: ServiceName, in mode: RestoredMode
    ) async throws(TaskStoreError) -> [UnownedRecord] {
        let period = period(of: mode)
        let recent = listed.filter { $0.task.createdAt.map(period.contains) ?? true }
        guard !recent.isEmpty else { return [] }
        let known = Mutex<Set<RemoteTaskID>>([])
        _ = try await store.settle(
            service: service, attemptedIn: period, candidates: Set(recent.map(\.task.remoteID)), at: time.now()
        ) { view in
            known.withLock { $0 = view.owned.union(view.named) }
            return []
        }
        let owned = known.withLock { $0 }
        return recent.filter { !owned.contains($0.task.remoteID) }.map { record, account in
            UnownedRecord(
                service: service, account: account, remoteID: record.remoteID, createdAt: record.createdAt,
                prompt: record.request["prompt"]?.string.map { String($0.prefix(60)) })
        }
    }
}
