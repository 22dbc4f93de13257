"""Recipe of the speech recogniser: manifests, cached features, augmentation, the transducer loss, the loop."""
