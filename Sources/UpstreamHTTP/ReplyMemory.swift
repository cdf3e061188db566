package import BoundedMemory
import ProviderCatalog

/// The memory budget for provider replies, and the directory for what exceeds it.
package struct ReplyMemory: Sendable {
    /// The memory of one reply while it arrives, in bytes. The rest goes to a file. Most replies have some KiB.
    package static let perReply = 1 << 20
    /// The memory of all replies until they are recorded, in bytes.
    package static let defaultCapacity = 64 << 20
    /// The memory that paid requests leave to status queries, in bytes.
    package static let reservedForQueries = 16 << 20

    let budget: ByteBudget
    let directory: String

    /// `directory` determines the file system for large replies. Their files are unnamed, so only this process reads
    /// them.
    package init(budget: ByteBudget = ByteBudget(capacity: defaultCapacity), directory: String = "/tmp") {
        self.budget = budget
        self.directory = directory
    }

    /// Reserves memory for the reply to a paid request; nil if none is free.
    func roomForPaidReply() -> ReplyRoom? {
        budget.reserve(Self.perReply, leaving: Self.reservedForQueries).map { ReplyRoom($0) }
    }

    /// Waits for memory to load a whole reply from a file.
    ///
    /// It waits only for the part that is always left to queries, so slow paid requests do not block it. A larger reply
    /// exceeds the budget; this happens to one reply at a time.
    func room(for bytes: Int) async -> ByteBudget.Reservation? {
        do throws(CancellationError) {
            return try await budget.reserve(bytes, onceFree: Self.reservedForQueries)
        } catch {
            // The daemon is stopping. A reply that has arrived is still recorded.
            return nil
        }
    }
}
