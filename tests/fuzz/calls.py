WILD_CALLS = {}


def wild_call(*a):
    pass
