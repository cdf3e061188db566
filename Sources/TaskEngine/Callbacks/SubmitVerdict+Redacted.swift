import ProviderCatalog
import TaskStore

extension SubmitVerdict {
    /// The same without callback tokens in its failure, which is also logged and stored.
    var redacted: SubmitVerdict {
        switch self {
        case .accepted, .answered: self
        case .throttled(let failure, let retryAfter): .throttled(failure.redacted, retryAfter: retryAfter)
        case .stopped(let failure, let scope): .stopped(failure.redacted, scope)
        case .refused(let failure, let suspends): .refused(failure.redacted, suspendsProvider: suspends)
        case .probablyRefused(let failure, let suspends):
            .probablyRefused(failure.redacted, suspendsProvider: suspends)
        case .unknown(let failure): .unknown(failure.redacted)
        }
    }
}
