import NIOSSL
import TaskModel

/// Why a server's certificate is not trusted.
enum CertificateProblem: Hashable {
    case expired(Timestamp)
    case notValidYet(Timestamp)
    case otherName
    case unknownAuthority

    /// Reads the error of a handshake; nil if it is not about the certificate. `validity` is the period of the server's
    /// certificate, if known: the error does not say whether the certificate has expired.
    init?(_ error: any Error, validity: ClosedRange<Timestamp>? = nil, at now: Timestamp) {
        if let error = error as? NIOSSLExtraError {
            let names: [NIOSSLExtraError] = [.failedToValidateHostname, .serverHostnameImpossibleToMatch]
            guard names.contains(error) else { return nil }
            self = .otherName
        } else if error is NIOSSLError, "\(error)".contains("CERTIFICATE_VERIFY_FAILED") {
            if let validity, validity.upperBound < now {
                self = .expired(validity.upperBound)
            } else if let validity, now < validity.lowerBound {
                self = .notValidYet(validity.lowerBound)
            } else {
                self = .unknownAuthority
            }
        } else {
            return nil
        }
    }

    /// Completes the sentence "the certificate of HOST is not trusted: …".
    var reason: String {
        switch self {
        case .expired(let point): "it expired at \(point.rfc3339)"
        case .notValidYet(let point): "it is not valid before \(point.rfc3339). Is this machine's clock right?"
        case .otherName: "it is for another name"
        case .unknownAuthority:
            "no certificate authority that is trusted here has signed it. `upstream.ca_file` adds authorities"
        }
    }
}

extension NIOSSLCertificate {
    /// The period in which it is valid; nil if its end is before its beginning.
    var validity: ClosedRange<Timestamp>? {
        let begin = Timestamp(milliseconds: Int64(notValidBefore) * 1_000)
        let end = Timestamp(milliseconds: Int64(notValidAfter) * 1_000)
        return begin <= end ? begin...end : nil
    }
}
