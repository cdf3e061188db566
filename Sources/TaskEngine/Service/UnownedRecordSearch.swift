import Logging
import ProviderCatalog
import Synchronization
package import TaskModel
import TaskStore
import VerbatimJSON

/// A record of the provider from the time that an older copy of the database does not know, which no task owns.
package struct UnownedRecord: Sendable, Hashable {
    package let service: ServiceName
    package let remoteID: RemoteTaskID
    /// By the provider's clock; nil where its list gives no time.
    package let createdAt: Timestamp?
    /// The beginning of the prompt that the list echoes.
    package let prompt: String?
}

/// Reads the providers' lists for records that no task owns. They may belong to tasks that were submitted after the copy was
/// made, which the copy has lost, or to other programs.
struct UnownedRecordSearch: Sendable {
    let store: TaskStore
    @Current var catalog: ProviderCatalog
    let limits: EngineLimits
    let admission: AdmissionControl
    let sender: QuerySender
    let time: any TimeSource
    let logger: Logger

    /// The records, and the services whose lists could not be read to their ends.
    func find(
        in mode: RestoredMode
    ) async throws(TaskStoreError) -> (records: [UnownedRecord], unread: [ServiceName]) {
        let known = Set(try await store.counts().map(\.endpoint))
        let providers = Set(known.compactMap { catalog.endpoint($0)?.provider })
        // The copy may be from before the first task of a service.
        let all = catalog.endpoints.filter { providers.contains($0.provider) }.sorted { $0.name < $1.name }
        func isReadable(_ profile: EndpointProfile) -> Bool {
            profile.listing != nil && admission.hasToken(profile.provider)
        }
        var waiting = all.filter(isReadable)
        var records: [UnownedRecord] = []
        var unread = Set(all.filter { known.contains($0.name) && !isReadable($0) }.map(\.name.service))
        while let profile = waiting.first {
            waiting.removeAll { $0.sharesLookup(with: profile) || $0.name == profile.name }
            let service = profile.name.service
            let list = await read(of: profile, in: mode)
            if list?.isComplete != true { unread.insert(service) }
            records += try await unowned(among: list?.tasks ?? [], of: service, in: mode)
        }
        return (records, unread.sorted())
    }

    private func period(of mode: RestoredMode) -> ClosedRange<Timestamp> {
        min(mode.since, mode.at) - limits.clockSkew...mode.at + limits.clockSkew
    }

    private func read(of profile: EndpointProfile, in mode: RestoredMode) async -> FetchedList? {
        let (service, period) = (profile.name.service, period(of: mode))
        guard let list = profile.listing, admission.breakers.block(.polls(service), at: time.now()) == nil,
            await admission.waitForSlot(for: .queries(service), of: profile)
        else { return nil }
        let reading = await ProviderListFetcher(
            limits: limits, admission: admission, sender: sender, time: time, logger: logger, service: service,
            profile: profile, list: list
        ).read(from: period.lowerBound, to: period.upperBound)
        if case .read(let list) = reading { return list }
        return nil
    }

    private func unowned(
        among listed: [ListedTask], of service: ServiceName, in mode: RestoredMode
    ) async throws(TaskStoreError) -> [UnownedRecord] {
        let period = period(of: mode)
        let recent = listed.filter { $0.createdAt.map(period.contains) ?? true }
        guard !recent.isEmpty else { return [] }
        let known = Mutex<Set<RemoteTaskID>>([])
        _ = try await store.settle(
            service: service, attemptedIn: period, candidates: Set(recent.map(\.remoteID)), at: time.now()
        ) { view in
            known.withLock { $0 = view.owned.union(view.named) }
            return []
        }
        let owned = known.withLock { $0 }
        return recent.filter { !owned.contains($0.remoteID) }.map { record in
            UnownedRecord(
                service: service, remoteID: record.remoteID, createdAt: record.createdAt,
                prompt: record.request["prompt"]?.string.map { String($0.prefix(60)) })
        }
    }
}
