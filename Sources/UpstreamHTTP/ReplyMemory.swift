package import BoundedMemory
import ProviderCatalog

/// The memory for replies of providers, and where what exceeds it is kept until its turn.
package struct ReplyMemory: Sendable {
    /// What one reply may take while it comes, in bytes; more of it goes to a file. Nearly all replies have some KiB.
    package static let perReply = 1 << 20
    /// All replies together, from when they come until they are recorded, in bytes.
    package static let usualCapacity = 64 << 20
    /// What paid requests leave to status queries, in bytes, however many are sent.
    package static let leftToQueries = 16 << 20

    let budget: ByteBudget
    let directory: String

    /// `directory` is on the file system that takes large replies; their files have no name, so only this process reads them.
    package init(budget: ByteBudget = ByteBudget(capacity: usualCapacity), directory: String = "/tmp") {
        self.budget = budget
        self.directory = directory
    }

    /// Room for the reply to a paid request; nil where there is none now.
    func roomForPaidReply() -> ReplyRoom? {
        budget.reserve(Self.perReply, leaving: Self.leftToQueries).map { ReplyRoom($0) }
    }

    /// Waits for room for a whole reply that is in a file.
    ///
    /// As much as is always left to queries must be free: paid requests that take minutes do not hold it up. A larger reply
    /// exceeds the budget, one at a time.
    func room(for bytes: Int) async -> ByteBudget.Reservation? {
        do throws(CancellationError) {
            return try await budget.reserve(bytes, onceFree: Self.leftToQueries)
        } catch {
            // The daemon stops. A reply that has come is recorded all the same.
            return nil
        }
    }
}
