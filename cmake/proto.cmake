# Generated code is not ours to lint: a target of its own without our warnings.
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
set(generated ${PROJECT_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${generated})

function(fs_generate_proto out_sources folder name with_grpc)
  set(products ${generated}/${name}.pb.cc ${generated}/${name}.pb.h)
  set(grpc_arguments "")
  if(with_grpc)
    list(APPEND products ${generated}/${name}.grpc.pb.cc ${generated}/${name}.grpc.pb.h)
    set(grpc_arguments --grpc_out=${generated} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
  endif()
  add_custom_command(
    OUTPUT ${products}
    COMMAND protobuf::protoc --proto_path=${folder} --cpp_out=${generated} ${grpc_arguments} ${folder}/${name}.proto
    DEPENDS ${folder}/${name}.proto
    VERBATIM)
  set(${out_sources} ${${out_sources}} ${products} PARENT_SCOPE)
endfunction()

fs_generate_proto(proto_sources ${PROJECT_SOURCE_DIR}/proto function_stream TRUE)
# The formats of what the server stores, each beside its room.
file(GLOB stored_protos CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*/*.proto ${PROJECT_SOURCE_DIR}/src/connector/*/*.proto)
foreach(stored ${stored_protos})
  get_filename_component(folder ${stored} DIRECTORY)
  get_filename_component(name ${stored} NAME_WE)
  fs_generate_proto(proto_sources ${folder} ${name} FALSE)
endforeach()

add_library(fs_proto STATIC ${proto_sources})
target_include_directories(fs_proto SYSTEM PUBLIC ${generated})
target_link_libraries(fs_proto PUBLIC fs_dependencies)
if(FS_SANITIZE)
  list(JOIN FS_SANITIZE "," proto_sanitizers)
  target_compile_options(fs_proto PRIVATE -fsanitize=${proto_sanitizers})
endif()
