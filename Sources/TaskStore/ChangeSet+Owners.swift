import TaskModel

extension StoreSnapshot {
    /// The task of the service that goes on, or ended, with a remote id, the newest first.
    ///
    /// One whose id the provider had forgotten gives it up, so that it can be tracked again should it turn up. So does a tracked
    /// one that was cancelled, so that a lost task can adopt it.
    func owner(of remoteID: RemoteTaskID, service: ServiceName) throws -> TaskID? {
        try holders(of: [remoteID], service: service).first(where: \.isOwner)?.task
    }
}

/// Who owns a remote id.
extension ChangeSet {
    /// The task that owns the remote id, as the transaction has left it by now.
    mutating func owner(of remoteID: RemoteTaskID, service: ServiceName) throws -> TaskID? {
        try flush()
        return try transaction.owner(of: remoteID, service: service)
    }

    /// Which of the ids are known: of tasks whose submission we saw to its end, and only as a person named them.
    mutating func known(
        _ ids: Set<RemoteTaskID>, service: ServiceName
    ) throws -> (owned: Set<RemoteTaskID>, named: Set<RemoteTaskID>) {
        guard !ids.isEmpty else { return ([], []) }
        try flush()
        let holders = try transaction.holders(of: ids.sorted { $0.text < $1.text }, service: service)
        let owned = Set(holders.filter { !$0.isOnlyNamed }.map(\.remoteID))
        return (owned, Set(holders.map(\.remoteID)).subtracting(owned))
    }
}

extension RemoteIDHolder {
    fileprivate var isOwner: Bool {
        if isAttempt { return false }
        let isForgotten = state == .failed && failureCode == TaskFailure.remoteTaskNotFound.code
        let isReleased = state == .cancelled && attempts == 0
        return !isForgotten && !isReleased
    }

    /// Whether only a person says whose it is.
    fileprivate var isOnlyNamed: Bool { !isAttempt && (attempts == 0 || resolution == .adopted) }
}
