import Synchronization
package import TaskModel

/// Which files are being fetched at the moment.
package final class InFlightArtefacts: Sendable {
    private let hosts = Mutex<[Artefact.ID: String]>([:])

    package init() {}

    /// Whether the file is being fetched.
    package func contains(_ id: Artefact.ID) -> Bool { hosts.withLock { $0[id] != nil } }

    var count: Int { hosts.withLock { $0.count } }

    /// Hosts from which that many files are being fetched.
    func hosts(with limit: Int) -> [String] {
        hosts.withLock { hosts in
            Dictionary(grouping: hosts.values) { $0 }.filter { $0.value.count >= limit }.map(\.key).sorted()
        }
    }

    /// Notes that a file is being fetched; false if it was already, or too many are.
    func begin(_ artefact: Artefact, limit: Int, perHost: Int) -> Bool {
        hosts.withLock { hosts in
            guard hosts.count < limit, hosts[artefact.id] == nil,
                hosts.values.count(where: { $0 == artefact.host }) < perHost
            else { return false }
            hosts[artefact.id] = artefact.host
            return true
        }
    }

    func end(_ id: Artefact.ID) { hosts.withLock { _ = $0.removeValue(forKey: id) } }
}
