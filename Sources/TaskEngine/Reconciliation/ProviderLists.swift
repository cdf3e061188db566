import Logging
import ProviderCatalog
import TaskModel
import TaskStore
import VerbatimJSON

/// Reads providers' own lists of tasks with all accounts, to compare them with the tasks of the store.
///
/// It sends status queries only. Rates, circuit breakers and pauses hold as for look-ups.
struct ProviderLists: Sendable {
    /// The endpoints whose tasks one list shows.
    struct Group: Sendable {
        /// At least one; all of them have the list.
        let endpoints: [EndpointProfile]

        var provider: ProviderName { first.provider }
        /// The services, sorted. A remote id has one owner per service.
        var services: [ServiceName] { Set(endpoints.map(\.name.service)).sorted() }
        /// The endpoint whose queries read the list.
        var first: EndpointProfile { endpoints[0] }
        /// Where the records say what they cost.
        var costPlaces: Set<JSONPointer> { Set(endpoints.compactMap { $0.price?.recorded?.pointer }) }
    }

    /// The list as the accounts of its provider show it.
    struct Reading: Sendable {
        let group: Group
        /// When the first page was requested. What was submitted later may be missing.
        let began: Timestamp
        /// The list of each account; nil if it could not be read at all.
        let lists: [(account: AccountName, list: FetchedList?)]

        /// Whether each account's list was read to its end.
        var isComplete: Bool { lists.allSatisfy { $0.list?.isComplete ?? false } }

        /// The records of all lists, each once, with the first account that shows it. Two accounts may belong to one
        /// user and show the same list.
        var records: [(task: ListedTask, account: AccountName)] {
            var shown: Set<RemoteTaskID> = []
            return lists.flatMap { account, list in
                (list?.tasks ?? []).filter { shown.insert($0.remoteID).inserted }.map { (task: $0, account: account) }
            }
        }
    }

    let admission: AdmissionControl
    let sender: QuerySender
    let limits: EngineLimits
    let time: any TimeSource
    let logger: Logger

    /// Groups endpoints with a list, in order of their names.
    static func groups(of endpoints: [EndpointProfile]) -> [Group] {
        var rest = endpoints.filter { $0.inventory != nil }.sorted { $0.name < $1.name }
        var groups: [Group] = []
        while let first = rest.first {
            let together = rest.filter { $0.name == first.name || $0.sharesInventory(with: first) }
            rest.removeAll { profile in together.contains { $0.name == profile.name } }
            groups.append(Group(endpoints: together))
        }
        return groups
    }

    /// Reads the list with each of the accounts, for the whole period, and keeps the figures at these places.
    func read(
        _ group: Group, of accounts: [AccountName], _ period: ClosedRange<Timestamp>, figures: Set<JSONPointer> = []
    ) async -> Reading {
        let began = time.now()
        var lists: [(account: AccountName, list: FetchedList?)] = []
        for account in accounts {
            lists.append((account, await read(of: AccountEndpoint(group.first, of: account), period, figures)))
        }
        return Reading(group: group, began: began, lists: lists)
    }

    private func read(
        of endpoint: AccountEndpoint, _ period: ClosedRange<Timestamp>, _ figures: Set<JSONPointer>
    ) async -> FetchedList? {
        guard let list = endpoint.profile.inventory, admission.accounts.canSend(by: endpoint.owner),
            admission.breakers.state(of: .account(endpoint.owner)).pause == nil,
            admission.breakers.block(endpoint.polls, at: time.now()) == nil,
            await admission.waitForQuerySlot(of: endpoint)
        else { return nil }
        let reading = await ProviderListFetcher(
            limits: limits, admission: admission, sender: sender, time: time, logger: logger, endpoint: endpoint,
            list: list, figures: figures
        ).read(from: period.lowerBound, to: period.upperBound)
        if case .read(let list) = reading { return list }
        return nil
    }
}
