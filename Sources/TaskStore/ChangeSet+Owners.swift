import TaskModel

extension StoreSnapshot {
    /// The task of the service that continues, or ended, with a remote id, the newest first.
    ///
    /// A task whose id the provider no longer knows gives the id up, so that the id can be tracked again if it
    /// reappears. So does a tracked task that was cancelled, so that a lost task can adopt the id.
    func owner(of remoteID: RemoteTaskID, service: ServiceName) throws -> TaskID? {
        try holders(of: [remoteID], service: service).first(where: \.isOwner)?.task
    }
}

/// Determines the owner of a remote id.
extension ChangeSet {
    /// The task that owns the remote id in the current state of the transaction.
    mutating func owner(of remoteID: RemoteTaskID, service: ServiceName) throws -> TaskID? {
        try flush()
        return try transaction.owner(of: remoteID, service: service)
    }

    /// The known ids: those of tasks whose submission we saw to its end, and those that only a person named.
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

    /// Whether only a person assigned the id.
    fileprivate var isOnlyNamed: Bool { !isAttempt && (attempts == 0 || resolution == .adopted) }
}
