# Dependencies by exact version. What is not a Debian package is brought by tools/setup.sh into .deps (versions, checksums: deps.lock).
set(TARN_DEPS_DIR "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "Where tools/setup.sh put the prebuilt libraries")
if(NOT EXISTS ${TARN_DEPS_DIR}/duckdb/lib/libduckdb.so)
  message(FATAL_ERROR "${TARN_DEPS_DIR} has no libduckdb.so: run `make setup` first")
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(git2 REQUIRED IMPORTED_TARGET libgit2)
pkg_check_modules(pq REQUIRED libpq)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(grpcpp REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(protobuf REQUIRED IMPORTED_TARGET protobuf)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(icu REQUIRED IMPORTED_TARGET icu-i18n icu-uc)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(TARN_PYTHON "${CMAKE_SOURCE_DIR}/.venv/bin/python" CACHE FILEPATH "Python with requirements.txt installed")

function(tarn_interface name)
  cmake_parse_arguments(A "" "" "INCLUDE;LINK" ${ARGN})
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${A_INCLUDE})
  target_link_libraries(${name} INTERFACE ${A_LINK})
endfunction()

set(d ${TARN_DEPS_DIR}/duckdb)
tarn_interface(tarn_duckdb
  INCLUDE ${d}/include ${d}/parquet ${d}/third_party/thrift ${d}/third_party/parquet ${d}/third_party/lz4 ${d}/third_party/snappy ${d}/third_party/mbedtls/include
          ${d}/third_party/fastpforlib
  LINK ${d}/lib/libduckdb.so)
set(a ${TARN_DEPS_DIR}/arrow)
# libarrow and libparquet export an own simdjson and an own OpenSSL of other versions: Debian's must come first in the search order, or calls of
# ours, and of one half of OpenSSL to the other, land there.
tarn_interface(tarn_arrow INCLUDE ${a}/include LINK simdjson ${a}/lib/libarrow.so ${a}/lib/libparquet.so)
# As an option, because CMake moves a library that others ask for too to the end.
target_link_options(tarn_arrow INTERFACE LINKER:--push-state,--no-as-needed,-lssl,-lcrypto,--pop-state)
tarn_interface(tarn_simdjson LINK tarn_arrow)  # not simdjson alone: CMake would put it behind libarrow
tarn_interface(tarn_roaring LINK roaring)
tarn_interface(tarn_compression LINK PkgConfig::zstd ZLIB::ZLIB bz2 lzma)
pkg_check_modules(libxml REQUIRED libxml-2.0)
tarn_interface(tarn_icu LINK PkgConfig::icu)
tarn_interface(tarn_readline LINK readline)
tarn_interface(tarn_grpc LINK PkgConfig::grpcpp PkgConfig::protobuf)

# A library that does not match its headers corrupts memory silently: compare before anything is compiled.
try_run(duckdb_run duckdb_compiled ${CMAKE_BINARY_DIR}/duckdb_version ${CMAKE_SOURCE_DIR}/cmake/duckdb_version.cc
  CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${d}/include" "-DCMAKE_CXX_STANDARD=20"
  LINK_LIBRARIES ${d}/lib/libduckdb.so RUN_OUTPUT_VARIABLE duckdb_version)
string(STRIP "${duckdb_version}" duckdb_version)
file(STRINGS ${CMAKE_SOURCE_DIR}/cmake/deps.lock lock_line REGEX "^duckdb-headers")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" duckdb_headers "${lock_line}")
if(NOT duckdb_version STREQUAL "v${duckdb_headers}")
  message(FATAL_ERROR "libduckdb.so says ${duckdb_version}, the headers are v${duckdb_headers}: delete ${TARN_DEPS_DIR} and run `make setup`")
endif()

# Puts the prebuilt shared libraries beside the program, where its RPATH looks.
function(tarn_bundle_libraries target)
  set(out ${CMAKE_BINARY_DIR}/lib)
  file(MAKE_DIRECTORY ${out})
  file(REAL_PATH ${TARN_DEPS_DIR}/arrow/lib/libarrow.so arrow_so)
  file(REAL_PATH ${TARN_DEPS_DIR}/arrow/lib/libparquet.so parquet_so)
  foreach(so ${TARN_DEPS_DIR}/duckdb/lib/libduckdb.so ${arrow_so} ${parquet_so})
    get_filename_component(n ${so} NAME)
    if(NOT EXISTS ${out}/${n})
      file(COPY_FILE ${so} ${out}/${n} ONLY_IF_DIFFERENT)
    endif()
    install(FILES ${so} DESTINATION lib)
  endforeach()
endfunction()
