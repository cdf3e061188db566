package import ProviderCatalog
import Synchronization
package import TaskModel
import TaskStore

/// RenewedRecords keeps replies of providers about tasks whose addresses had expired, each for a minute.
final class RenewedRecords: Sendable {
    private struct Entry {
        let until: Timestamp
        /// Nil while the provider is asked, and if it did not show the task.
        var reply: UpstreamReply?
    }

    private static let most = 1_000
    private let entries = Mutex<[TaskID: Entry]>([:])

    /// What is known of the task; `isDue` tells the caller to ask the provider, as no other caller does within a minute.
    func reply(about task: TaskID, at now: Timestamp) -> (reply: UpstreamReply?, isDue: Bool) {
        entries.withLock { entries in
            if let entry = entries[task], entry.until > now { return (entry.reply, false) }
            if entries.count >= Self.most { entries = entries.filter { $0.value.until > now } }
            guard entries.count < Self.most else { return (nil, false) }
            entries[task] = Entry(until: now + .seconds(60))
            return (nil, true)
        }
    }

    func put(_ reply: UpstreamReply, about task: TaskID) {
        entries.withLock { $0[task]?.reply = reply }
    }
}

extension GatewayService {
    /// What the provider says now about a task that has succeeded, if the addresses in its record have expired and no file of it
    /// is saved: some providers renew them when they are asked. Nil if the stored record is to be shown.
    package func renewed(_ stored: TaskWithPayload, of profile: EndpointProfile) async -> UpstreamReply? {
        let task = stored.task
        guard task.state == .succeeded, let lifetime = profile.artefactLifetime, let endedAt = task.endedAt,
            endedAt + lifetime <= time.now(), let remoteID = task.remoteID, profile.dialect.resultFetching == nil,
            !profile.dialect.answersOnlyInline,
            let artefacts = try? await store.artefacts(of: task.id), !artefacts.contains(where: { $0.object != nil }),
            let request = try? profile.dialect.lookup(remoteID, pollURL: task.pollURL)
        else { return nil }
        let (known, isDue) = renewals.reply(about: task.id, at: time.now())
        guard isDue else { return known }
        do throws(UpstreamTransportError) {
            let reply = try await transport.send(
                request, by: account(of: task, provider: profile.provider), isPaid: false, timeout: .seconds(30))
            guard case .observed = profile.dialect.readLookup(reply, of: remoteID) else { return nil }
            renewals.put(reply, about: task.id)
            return reply
        } catch {
            return nil
        }
    }
}
