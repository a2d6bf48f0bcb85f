#include "account/error.h"

#include <algorithm>
#include <iterator>

namespace tarn::account {
namespace {

constexpr ErrorInfo kErrors[] = {
    {"AppendPositionConditionNotMet", 412, "The append position condition specified was not met."},
    {"AuthenticationFailed", 403, "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."},
    {"AuthorizationPermissionMismatch", 403, "This request is not authorized to perform this operation using this permission."},
    {"AuthorizationProtocolMismatch", 403, "This request is not authorized to perform this operation using this protocol."},
    {"AuthorizationResourceTypeMismatch", 403, "This request is not authorized to perform this operation using this resource type."},
    {"AuthorizationServiceMismatch", 403, "This request is not authorized to perform this operation using this service."},
    {"AuthorizationSourceIPMismatch", 403, "This request is not authorized to perform this operation using this source IP."},
    {"BlobAlreadyExists", 409, "The specified blob already exists."},
    {"BlobNotFound", 404, "The specified blob does not exist."},
    {"BlockCountExceedsLimit", 409, "The committed block count cannot exceed the maximum limit of 50,000 blocks."},
    {"CannotVerifyCopySource", 403, "Could not verify the copy source: only sources in this account can be copied."},
    {"ConditionNotMet", 412, "The condition specified using HTTP conditional header(s) is not met."},
    {"ContainerAlreadyExists", 409, "The specified container already exists."},
    {"ContainerNotFound", 404, "The specified container does not exist."},
    {"Crc64Mismatch", 400, "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server."},
    {"DestinationPathIsNotEmpty", 409, "The destination directory of the rename is not empty."},
    {"DirectoryNotEmpty", 409, "The recursive query parameter value must be true to delete a non-empty directory."},
    {"DirectoryIsNotEmpty", 409, "This operation is not permitted on a non-empty directory."},
    {"FeatureNotSupported", 409, "This operation is not supported by this account."},
    {"FilesystemAlreadyExists", 409, "The specified filesystem already exists."},
    {"FilesystemNotFound", 404, "The specified filesystem does not exist."},
    {"InsufficientStorage", 507, "There is no space left on the disk of this account."},
    {"InternalError", 500, "The server encountered an internal error. Please retry the request."},
    {"InvalidAuthenticationInfo", 401, "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."},
    {"InvalidBlobType", 409, "The blob type is invalid for this operation."},
    {"InvalidBlockId", 400, "The specified block ID is invalid. The block ID must be Base64-encoded."},
    {"InvalidBlockList", 400, "The specified block list is invalid."},
    {"InvalidFlushPosition", 400, "The uploaded data is not contiguous or the position query parameter value is not equal to the length of the file after appending the uploaded data."},
    {"InvalidHeaderValue", 400, "The value for one of the HTTP headers is not in the correct format."},
    {"InvalidInput", 400, "One of the request inputs is not valid."},
    {"InvalidMd5", 400, "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded."},
    {"InvalidMetadata", 400, "The metadata specified is invalid. It has characters that are not permitted."},
    {"InvalidQueryParameterValue", 400, "Value for one of the query parameters specified in the request URI is invalid."},
    {"InvalidRange", 416, "The range specified is invalid for the current size of the resource."},
    {"InvalidRenameSourcePath", 409, "The source directory cannot be the same as the destination directory, nor can the destination be a subdirectory of the source directory."},
    {"InvalidResourceName", 400, "The specified resource name contains invalid characters or has an invalid length."},
    {"InvalidUri", 400, "The request URI is invalid."},
    {"InvalidXmlDocument", 400, "XML specified is not syntactically valid."},
    {"LeaseAlreadyBroken", 409, "The lease has already been broken and cannot be broken again."},
    {"LeaseAlreadyPresent", 409, "There is already a lease present."},
    {"LeaseIdMismatchWithBlobOperation", 412, "The lease ID specified did not match the lease ID for the blob."},
    {"LeaseIdMismatchWithContainerOperation", 412, "The lease ID specified did not match the lease ID for the container."},
    {"LeaseIdMismatchWithLeaseOperation", 409, "The lease ID specified did not match the lease ID for the resource."},
    {"LeaseIdMissing", 412, "There is currently a lease on the resource and no lease ID was specified in the request."},
    {"LeaseIsBreakingAndCannotBeAcquired", 409, "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken."},
    {"LeaseIsBreakingAndCannotBeChanged", 409, "The lease ID matched, but the lease is currently in breaking state and cannot be changed."},
    {"LeaseIsBrokenAndCannotBeRenewed", 409, "The lease ID matched, but the lease has been broken explicitly and cannot be renewed."},
    {"LeaseLost", 412, "A lease ID was specified, but the lease has expired."},
    {"LeaseNotPresentWithBlobOperation", 412, "There is currently no lease on the blob."},
    {"LeaseNotPresentWithContainerOperation", 412, "There is currently no lease on the container."},
    {"LeaseNotPresentWithLeaseOperation", 409, "There is currently no lease on the resource."},
    {"MaxBlobSizeConditionNotMet", 412, "The max blob size condition specified was not met."},
    {"Md5Mismatch", 400, "The MD5 value specified in the request did not match with the MD5 value calculated by the server."},
    {"MissingRequiredHeader", 400, "An HTTP header that's mandatory for this request is not specified."},
    {"MissingRequiredQueryParameter", 400, "A query parameter that's mandatory for this request is not specified."},
    {"NoAuthenticationInformation", 401, "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."},
    {"NoPendingCopyOperation", 409, "There is currently no pending copy operation."},
    {"NotModified", 304, "The condition specified using HTTP conditional header(s) is not met."},
    {"OutOfRangeQueryParameterValue", 400, "A query parameter specified in the request URI is outside the permissible range."},
    {"PathAlreadyExists", 409, "The specified path already exists."},
    {"PathConflict", 409, "The specified path, or an element of the path, exists and its resource type is invalid for this operation."},
    {"PathNotFound", 404, "The specified path does not exist."},
    {"RenameDestinationParentPathNotFound", 404, "The parent directory of the destination path does not exist."},
    {"RequestBodyTooLarge", 413, "The size of the request body exceeds the maximum size permitted."},
    {"RequestTimeout", 408, "The request body did not arrive in time."},
    {"ServerBusy", 503, "The server is currently unable to receive requests. Please retry your request."},
    {"SourceConditionNotMet", 412, "The source condition specified using HTTP conditional header(s) is not met."},
    {"SourcePathNotFound", 404, "The source path for a rename operation does not exist."},
    {"UnsupportedHeader", 400, "One of the HTTP headers specified in the request is not supported."},
    {"UnsupportedHttpVerb", 405, "The resource doesn't support specified Http Verb."},
    {"UnsupportedQueryParameter", 400, "One of the query parameters specified in the request URI is not supported."},
    {"UnsupportedRestVersion", 400, "The specified Rest Version is Unsupported."},
};

constexpr std::pair<const char*, const char*> kBlobNames[] = {
    {"FilesystemNotFound", "ContainerNotFound"}, {"FilesystemAlreadyExists", "ContainerAlreadyExists"}, {"PathNotFound", "BlobNotFound"},
    {"PathAlreadyExists", "BlobAlreadyExists"},  {"DirectoryNotEmpty", "DirectoryIsNotEmpty"},         {"SourcePathNotFound", "BlobNotFound"},
};

}  // namespace

const ErrorInfo& error_info(std::string_view code) {
  auto find = [](std::string_view c) { return std::find_if(std::begin(kErrors), std::end(kErrors), [&](const ErrorInfo& e) { return c == e.code; }); };
  auto it = find(code);
  return it != std::end(kErrors) ? *it : *find("InternalError");
}

std::string_view blob_code(std::string_view code) {
  for (const auto& [dfs, blob] : kBlobNames) {
    if (code == dfs) return blob;
  }
  return code;
}

}  // namespace tarn::account
