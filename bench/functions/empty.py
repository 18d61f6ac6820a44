from fs_api import FSProcessorDriver


class Empty(FSProcessorDriver):
    def process(self, ctx, source_id, data):
        pass
